(function_definition declarator: (function_declarator declarator: (field_identifier) @method)) @span
(function_definition declarator: (reference_declarator
  (function_declarator declarator: [(identifier) (field_identifier)] @function))) @span
(function_definition declarator: (pointer_declarator
  declarator: (function_declarator declarator: (field_identifier) @method))) @span
; Methods that stand outside of their class, up to three names deep.
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @scope (template_type name: (type_identifier) @scope)]
  name: [(identifier) (destructor_name) (operator_name)] @method))) @span
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @scope (template_type name: (type_identifier) @scope)]
  name: (qualified_identifier
    scope: [(namespace_identifier) @scope (template_type name: (type_identifier) @scope)]
    name: [(identifier) (destructor_name) (operator_name)] @method)))) @span
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  name: (qualified_identifier name: (qualified_identifier name: [(identifier) (destructor_name)] @method))))) @span
(function_definition declarator: (reference_declarator (function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @scope (template_type name: (type_identifier) @scope)]
  name: [(identifier) (operator_name)] @method)))) @span
(function_definition declarator: (pointer_declarator declarator: (function_declarator
  declarator: (qualified_identifier
    scope: [(namespace_identifier) @scope (template_type name: (type_identifier) @scope)]
    name: (identifier) @method)))) @span
(function_definition declarator: (function_declarator declarator: (operator_name) @function)) @span
(class_specifier name: (type_identifier) @class body: (_)) @span
(namespace_definition name: (namespace_identifier) @module) @span
(alias_declaration name: (type_identifier) @type) @span
(concept_definition name: (identifier) @type) @span
(namespace_definition body: (declaration_list (declaration
  declarator: (init_declarator declarator: (identifier) @variable)) @span))
(template_declaration) @wrap

(call_expression function: (qualified_identifier name: (identifier) @reference))
(call_expression function: (qualified_identifier name: (template_function name: (identifier) @reference)))
(call_expression function: (template_function name: (identifier) @reference))
(qualified_identifier scope: (namespace_identifier) @reference)
