(function_item name: (identifier) @function) @span
(function_signature_item name: (identifier) @function) @span
(struct_item name: (type_identifier) @class) @span
(union_item name: (type_identifier) @class) @span
(enum_item name: (type_identifier) @type) @span
(enum_variant name: (identifier) @constant) @span
(trait_item name: (type_identifier) @class) @span
(type_item name: (type_identifier) @type) @span
(associated_type name: (type_identifier) @type) @span
(mod_item name: (identifier) @module body: (_)) @span
(macro_definition name: (identifier) @macro) @span
(const_item name: (identifier) @constant) @span
(static_item name: (identifier) @variable) @span
(impl_item type: (type_identifier) @scope) @span
(impl_item type: (generic_type type: (type_identifier) @scope)) @span

(call_expression function: (identifier) @reference)
(call_expression function: (field_expression field: (field_identifier) @reference))
(call_expression function: (scoped_identifier name: (identifier) @reference))
(call_expression function: (generic_function function: (identifier) @reference))
(call_expression function: (generic_function function: (field_expression field: (field_identifier) @reference)))
(call_expression function: (generic_function function: (scoped_identifier name: (identifier) @reference)))
(macro_invocation macro: (identifier) @reference)
(scoped_identifier path: (identifier) @reference)
(type_identifier) @reference
