-- :Kvasir NAME TEXT becomes the server's command kvasir.NAME, with the place that it is about.
local chat = require('kvasir.chat')
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

local function report(message) M.tell(message, vim.lsp.protocol.MessageType.Error) end

local function selection(line1, line2)
  local first, last = line1 - 1, line2
  return {
    lines = { first, last },
    text = table.concat(vim.api.nvim_buf_get_lines(0, first, last, true), '\n') .. '\n',
    version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()],
  }
end

local function is_file() return vim.bo.buftype == '' and vim.api.nvim_buf_get_name(0) ~= '' end

-- The object that all commands take: the file, and its lines or the turn under the cursor.
local function argument(name, call)
  if not is_file() then return vim.empty_dict() end
  local given = { uri = vim.uri_from_bufnr(0) }
  local turn = chat.turn()
  if turn and (name == 'fork' or name == 'retry') then given.turn = turn end
  if not turn and call.range > 0 then given = vim.tbl_extend('error', given, selection(call.line1, call.line2)) end
  return given
end

function M.run(call)
  local name, text = call.args:match('^(%S+)%s*(.*)$')
  if name == 'messages' then return print(table.concat(M.told, '\n')) end
  local client = vim.lsp.get_clients({ name = 'kvasir' })[1]
  if not client then return report('its server does not run; ":checkhealth vim.lsp" tells why.') end
  -- The server reads the words: they are a question with its options, a name, or what is looked for.
  local arguments = { argument(name, call), text ~= '' and text or nil }
  local command = { title = name, command = 'kvasir.' .. name, arguments = arguments }
  client:exec_cmd(command, { bufnr = vim.api.nvim_get_current_buf() }, function(failure)
    if failure then report(failure.message) end
  end)
end

local function notify(method, params)
  local client = vim.lsp.get_clients({ name = 'kvasir', bufnr = 0 })[1]
  if client and is_file() then client:notify(method, params) end
end

-- The lines that are selected now are read by the model before a question about them is there.
function M.selected()
  if not vim.api.nvim_get_mode().mode:find('^[vV\22]') then return end
  local here, there = vim.fn.line('.'), vim.fn.line('v')
  local lines = { math.min(here, there) - 1, math.max(here, there) }
  notify('kvasir/selection', { uri = vim.uri_from_bufnr(0), lines = lines })
end

-- And so is a question while it is typed.
function M.typed()
  local line = vim.fn.getcmdline()
  if not line:find('Kvasir ask ', 1, true) then return end
  local parsed, command = pcall(vim.api.nvim_parse_cmd, line, {})
  if not parsed or command.cmd ~= 'Kvasir' then return end
  local range = command.range or {}
  local call = { range = #range, line1 = range[1], line2 = range[2] or range[1] }
  local question = line:match('Kvasir ask ([^-@].*)$')
  if question then notify('kvasir/draft', vim.tbl_extend('error', argument('ask', call), { question = question })) end
end

-- What each chat is doing, for a status line: phase, promptTokens, cachedTokens, doneTokens, tps.
M.states = {}

function M.state(params)
  M.states[params.session] = params
  vim.api.nvim_exec_autocmds('User', { pattern = 'KvasirState', data = params })
end

return M
