(function_declaration name: [
  (identifier) @function
  (dot_index_expression field: (identifier) @function)
  (method_index_expression method: (identifier) @method)
]) @span
(assignment_statement
  (variable_list name: [(identifier) @function (dot_index_expression field: (identifier) @function)])
  (expression_list value: (function_definition))) @span
(field name: (identifier) @function value: (function_definition)) @span
(chunk (assignment_statement (variable_list name: (identifier) @variable)) @span)
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @variable))) @span)

(function_call name: [
  (identifier) @reference
  (dot_index_expression field: (identifier) @reference)
  (method_index_expression method: (identifier) @reference)
])
