(function_definition name: (identifier) @function) @span
(class_definition name: (identifier) @class) @span
(decorated_definition) @wrap
; Assignments of a module and of a class, not those within functions.
(module (expression_statement (assignment left: (identifier) @variable) @span))
(class_definition body: (block (expression_statement (assignment left: (identifier) @variable) @span)))

(call function: (identifier) @reference)
(call function: (attribute attribute: (identifier) @reference))
(class_definition superclasses: (argument_list [(identifier) @reference (attribute attribute: (identifier) @reference)]))
(decorator [(identifier) @reference (attribute attribute: (identifier) @reference)])
(import_from_statement name: (dotted_name (identifier) @reference))
(type (identifier) @reference)
(except_clause (identifier) @reference)
