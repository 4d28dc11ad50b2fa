-- What a command is about: the object that the server's commands take.
local chat = require('kvasir.chat')
local M = {}

local function selection(line1, line2)
  local first, last = line1 - 1, line2
  return {
    lines = { first, last },
    text = table.concat(vim.api.nvim_buf_get_lines(0, first, last, true), '\n') .. '\n',
    version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()],
  }
end

function M.is_file() return vim.bo.buftype == '' and vim.api.nvim_buf_get_name(0) ~= '' end

-- The file of the current window.
function M.file() return M.is_file() and { uri = vim.uri_from_bufnr(0) } or vim.empty_dict() end

-- The same with the lines of the range, if there is one: from a buffer that is no file only as text. A chat has
-- no lines to ask about.
function M.code(call)
  local given = M.file()
  if call.range == 0 or chat.is_chat(0) then return given end
  if not given.uri then return { text = selection(call.line1, call.line2).text } end
  return vim.tbl_extend('error', given, selection(call.line1, call.line2))
end

-- The same, or the whole file if no lines are chosen.
function M.all(call)
  local given = M.code(call)
  if given.uri and not given.lines then given.include = { file = true } end
  return given
end

-- The file with the turn under the cursor, if this is a chat.
function M.turn()
  local given = M.file()
  given.turn = chat.turn()
  return given
end

return M
