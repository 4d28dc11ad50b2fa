-- What a person's own configuration may use: :help kvasir-lua.
local M = {}

-- What Kvasir is doing, in a few words for a status line; "" when it has not done anything yet.
function M.status() return require('kvasir.state').status() end

-- What each chat is doing: its last kvasir/state, by the chat's id.
M.states = require('kvasir.state').states

-- What was told so far, in full: :Kvasir messages.
M.told = require('kvasir.message').told

return M
