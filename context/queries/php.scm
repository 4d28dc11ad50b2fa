(namespace_definition name: (namespace_name) @module) @span
(class_declaration name: (name) @class) @span
(interface_declaration name: (name) @class) @span
(trait_declaration name: (name) @class) @span
(enum_declaration name: (name) @class) @span
(enum_case name: (name) @constant) @span
(function_definition name: (name) @function) @span
(method_declaration name: (name) @method) @span
(const_declaration (const_element (name) @constant)) @span

(function_call_expression function: [(name) @reference (qualified_name (name) @reference)])
(member_call_expression name: (name) @reference)
(nullsafe_member_call_expression name: (name) @reference)
(scoped_call_expression name: (name) @reference)
(scoped_call_expression scope: (name) @reference)
(class_constant_access_expression . (name) @reference)
(object_creation_expression [(name) @reference (qualified_name (name) @reference)])
(base_clause [(name) @reference (qualified_name (name) @reference)])
(class_interface_clause [(name) @reference (qualified_name (name) @reference)])
(use_declaration (name) @reference)
(named_type [(name) @reference (qualified_name (name) @reference)])
