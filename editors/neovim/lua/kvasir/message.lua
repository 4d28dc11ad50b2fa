-- What Kvasir has to say, in a line that stops nobody.
local M = {}

-- What was told so far, in full: :Kvasir messages.
M.told = {}

-- More than a line would stop the person at "Press ENTER", perhaps in the middle of a word.
local function in_a_line(text)
  local more = '… (:Kvasir messages)'
  local room = vim.v.echospace
  if vim.fn.strdisplaywidth(text) <= room then return text end
  return vim.fn.strcharpart(text, 0, math.max(0, room - vim.fn.strdisplaywidth(more))) .. more
end

-- Show a message of the server; kinds are those of LSP (1 error, 2 warning, ...).
function M.tell(message, kind)
  local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
  local text = message:find('^Kvasir: ') and message or 'Kvasir: ' .. message
  table.insert(M.told, text)
  vim.notify(in_a_line(text:gsub('%s*\n%s*', ' ')), levels[kind] or vim.log.levels.INFO)
end

function M.complain(message) M.tell(message, vim.lsp.protocol.MessageType.Error) end

return M
