(function_declaration name: (identifier) @function) @span
(generator_function_declaration name: (identifier) @function) @span
(class_declaration name: (identifier) @class) @span
(method_definition name: [(property_identifier) (private_property_identifier)] @method) @span
(field_definition
  property: [(property_identifier) (private_property_identifier)] @method
  value: [(arrow_function) (function_expression)]) @span
; Functions that are bound to a name anywhere; other values at the top level only.
(lexical_declaration (variable_declarator
  name: (identifier) @function value: [(arrow_function) (function_expression)])) @span
(variable_declaration (variable_declarator
  name: (identifier) @function value: [(arrow_function) (function_expression)])) @span
(assignment_expression
  left: (member_expression property: (property_identifier) @function)
  right: [(arrow_function) (function_expression)]) @span
(pair
  key: (property_identifier) @method
  value: [(arrow_function) (function_expression)]) @span
(program (lexical_declaration (variable_declarator name: (identifier) @variable)) @span)
(program (variable_declaration (variable_declarator name: (identifier) @variable)) @span)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @variable)) @span))
(export_statement) @wrap

(call_expression function: (identifier) @reference)
(call_expression function: (member_expression property: (property_identifier) @reference))
(new_expression constructor: (identifier) @reference)
(class_heritage (identifier) @reference)
(import_specifier name: (identifier) @reference)
