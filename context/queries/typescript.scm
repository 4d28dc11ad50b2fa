(function_declaration name: (identifier) @function) @span
(function_signature name: (identifier) @function) @span
(generator_function_declaration name: (identifier) @function) @span
(class_declaration name: (type_identifier) @class) @span
(abstract_class_declaration name: (type_identifier) @class) @span
(interface_declaration name: (type_identifier) @class) @span
(type_alias_declaration name: (type_identifier) @type) @span
(enum_declaration name: (identifier) @type) @span
(internal_module name: (identifier) @module) @span
(module name: (identifier) @module) @span
(method_definition name: [(property_identifier) (private_property_identifier)] @method) @span
(method_signature name: (property_identifier) @method) @span
(abstract_method_signature name: (property_identifier) @method) @span
(public_field_definition
  name: [(property_identifier) (private_property_identifier)] @method
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
(internal_module body: (statement_block
  (export_statement (lexical_declaration (variable_declarator name: (identifier) @variable)) @span)))
(export_statement) @wrap

(call_expression function: (identifier) @reference)
(call_expression function: (member_expression property: (property_identifier) @reference))
(new_expression constructor: (identifier) @reference)
(extends_clause value: (identifier) @reference)
(import_specifier name: (identifier) @reference)
(type_identifier) @reference
