(class_declaration name: (identifier) @class) @span
(object_declaration name: (identifier) @class) @span
(enum_entry (identifier) @constant) @span
(type_alias type: (identifier) @type) @span
(function_declaration name: (identifier) @function) @span
(source_file (property_declaration (variable_declaration (identifier) @variable)) @span)
(class_body (property_declaration (variable_declaration (identifier) @variable)) @span)

(call_expression . (identifier) @reference)
(call_expression . (navigation_expression (identifier) @reference .))
(user_type (identifier) @reference)
