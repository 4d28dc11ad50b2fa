(class_declaration name: (identifier) @class) @span
(interface_declaration name: (identifier) @class) @span
(annotation_type_declaration name: (identifier) @class) @span
(record_declaration name: (identifier) @class) @span
(enum_declaration name: (identifier) @class) @span
(enum_constant name: (identifier) @constant) @span
(method_declaration name: (identifier) @method) @span
(constructor_declaration name: (identifier) @method) @span
(annotation_type_element_declaration name: (identifier) @method) @span
(field_declaration declarator: (variable_declarator name: (identifier) @variable)) @span
(constant_declaration declarator: (variable_declarator name: (identifier) @constant)) @span

(method_invocation name: (identifier) @reference)
(method_invocation object: (identifier) @reference)
(marker_annotation name: (identifier) @reference)
(annotation name: (identifier) @reference)
(type_identifier) @reference
