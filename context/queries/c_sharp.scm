(namespace_declaration name: (_) @module) @span
(class_declaration name: (identifier) @class) @span
(interface_declaration name: (identifier) @class) @span
(struct_declaration name: (identifier) @class) @span
(record_declaration name: (identifier) @class) @span
(enum_declaration name: (identifier) @type) @span
(enum_member_declaration name: (identifier) @constant) @span
(delegate_declaration name: (identifier) @type) @span
(method_declaration name: (identifier) @method) @span
(constructor_declaration name: (identifier) @method) @span
(local_function_statement name: (identifier) @function) @span
(property_declaration name: (identifier) @variable) @span
(field_declaration (variable_declaration (variable_declarator name: (identifier) @variable))) @span
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @variable))) @span

(invocation_expression function: [
  (identifier) @reference
  (generic_name (identifier) @reference)
  (member_access_expression name: [(identifier) @reference (generic_name (identifier) @reference)])
])
(member_access_expression expression: (identifier) @reference)
(object_creation_expression type: [(identifier) @reference (generic_name (identifier) @reference)])
(base_list [(identifier) @reference (generic_name (identifier) @reference)])
(parameter type: [(identifier) @reference (generic_name (identifier) @reference)])
(variable_declaration type: [(identifier) @reference (generic_name (identifier) @reference)])
(method_declaration returns: [(identifier) @reference (generic_name (identifier) @reference)])
(property_declaration type: [(identifier) @reference (generic_name (identifier) @reference)])
(type_argument_list (identifier) @reference)
(attribute name: (identifier) @reference)
