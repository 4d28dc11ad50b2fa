(class_definition name: (identifier) @class) @span
(object_definition name: (identifier) @class) @span
(trait_definition name: (identifier) @class) @span
(enum_definition name: (identifier) @class) @span
(simple_enum_case name: (identifier) @constant) @span
(full_enum_case name: (identifier) @constant) @span
(type_definition name: (type_identifier) @type) @span
(function_definition name: (identifier) @function) @span
(function_declaration name: (identifier) @function) @span
(given_definition name: (identifier) @variable) @span
(compilation_unit (val_definition pattern: (identifier) @variable) @span)
(template_body (val_definition pattern: (identifier) @variable) @span)

(call_expression function: (identifier) @reference)
(call_expression function: (field_expression field: (identifier) @reference))
(call_expression function: (generic_function function: (identifier) @reference))
(type_identifier) @reference
