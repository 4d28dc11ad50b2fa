(module name: [(constant) @module (scope_resolution name: (constant) @module)]) @span
(class name: [(constant) @class (scope_resolution name: (constant) @class)]) @span
(method name: [(identifier) (setter) (operator) (constant)] @function) @span
(singleton_method name: [(identifier) (setter) (operator) (constant)] @method) @span
(assignment left: (constant) @constant) @span

(call method: (identifier) @reference)
(constant) @reference
