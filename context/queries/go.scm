(function_declaration name: (identifier) @function) @span
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @scope
    (pointer_type (type_identifier) @scope)
    (generic_type type: (type_identifier) @scope)
    (pointer_type (generic_type type: (type_identifier) @scope))
  ]))
  name: (field_identifier) @method) @span
(method_elem name: (field_identifier) @method) @span
(type_declaration (type_spec name: (type_identifier) @type)) @span
(type_declaration (type_alias name: (type_identifier) @type)) @span
(source_file (const_declaration (const_spec name: (identifier) @constant) @span))
(source_file (var_declaration (var_spec name: (identifier) @variable) @span))

(call_expression function: (identifier) @reference)
(call_expression function: (selector_expression field: (field_identifier) @reference))
(type_identifier) @reference
