-- The model reads ahead: what is selected, and a question while it is typed.
local options = require('kvasir.options')
local place = require('kvasir.place')
local server = require('kvasir.server')
local M = {}

-- Where what is read at last stands, by buffer and row: state.lua shows there how far it came.
M.at = nil
-- What a question is about that is being typed at vim.ui.input, and the options in front of it.
local asked = nil

local function reading(lines)
  local row = lines and lines[2] - 1 or vim.api.nvim_win_get_cursor(0)[1] - 1
  M.at = { buffer = vim.api.nvim_get_current_buf(), row = row }
end

-- The lines that are selected now are read before a question about them is there.
function M.selected()
  if not vim.api.nvim_get_mode().mode:find('^[vV\22]') or not place.is_file() then return end
  local here, there = vim.fn.line('.'), vim.fn.line('v')
  local lines = { math.min(here, there) - 1, math.max(here, there) }
  reading(lines)
  server.notify('kvasir/selection', { uri = vim.uri_from_bufnr(0), lines = lines })
end

local function draft(given, words)
  if vim.tbl_isempty(given) then return end
  reading(given.lines)
  server.notify('kvasir/draft', { given, words })
end

-- Commands at ":" whose words are a question, with what makes their object.
local function asking(line)
  local parsed, command = pcall(vim.api.nvim_parse_cmd, line, {})
  if not parsed then return end
  local words = line:match(command.cmd .. '%s+(%S.*)$') or ''
  local range = command.range or {}
  local call = { range = #range, line1 = range[1], line2 = range[2] or range[1] }
  if command.cmd == 'Q' then return words, place.code, call end
  if command.cmd == 'QQ' then return words, place.all, call end
  if command.cmd == 'Kvasir' then return words:match('^ask%s+(%S.*)$'), place.code, call end
end

-- And so is a question while it is typed.
function M.typed()
  local line = vim.fn.getcmdline()
  if not (line:find('Kvasir ask ', 1, true) or line:find('Q ', 1, true)) then return end
  local words, object, call = asking(line)
  if words and not options.are_all(words) then draft(object(call), words) end
end

-- The same for a question at vim.ui.input, which asks about ``given`` with the options that are there already.
function M.begin_input(given, words)
  asked = { given = given, words = words }
  draft(given, words)
end

function M.typed_input()
  if asked then draft(asked.given, options.join(asked.words, vim.fn.getcmdline())) end
end

function M.end_input() asked = nil end

return M
