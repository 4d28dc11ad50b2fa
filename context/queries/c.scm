; With a body only: prototypes and forward declarations are uses.
(function_definition declarator: (function_declarator declarator: (identifier) @function)) @span
(function_definition declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @function))) @span
(function_definition declarator: (pointer_declarator declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @function)))) @span
(struct_specifier name: (type_identifier) @type body: (_)) @span
(union_specifier name: (type_identifier) @type body: (_)) @span
(enum_specifier name: (type_identifier) @type body: (_)) @span
(enumerator name: (identifier) @constant) @span
(type_definition declarator: (type_identifier) @type) @span
(type_definition declarator: (function_declarator
  declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @type)))) @span
(preproc_def name: (identifier) @macro) @span
(preproc_function_def name: (identifier) @macro) @span
(translation_unit (declaration declarator: (init_declarator declarator: (identifier) @variable)) @span)
(translation_unit (declaration
  declarator: (init_declarator declarator: (array_declarator declarator: (identifier) @variable))) @span)

(call_expression function: (identifier) @reference)
(call_expression function: (field_expression field: (field_identifier) @reference))
(type_identifier) @reference
