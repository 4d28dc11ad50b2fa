(function_definition name: (word) @function) @span
(program (variable_assignment name: (variable_name) @variable) @span)
(program (declaration_command (variable_assignment name: (variable_name) @variable)) @span)

(command name: (command_name (word) @reference))
