-- What Kvasir is doing: for status lines, and behind the line where it reads.
local api = vim.api
local chat = require('kvasir.chat')
local M = {}

-- By chat: what its last kvasir/state said.
M.states = {}

local marks = api.nvim_create_namespace('kvasir.reading')
local latest = nil
-- By job: the buffer that shows how far it has read.
local shown = {}

api.nvim_set_hl(0, 'KvasirReading', { link = 'Comment', default = true })

local function share(state) return math.floor(100 * (state.doneTokens or 0) / math.max(1, state.promptTokens or 1)) end

local function numbers(state)
  local known = {}
  if state.cachedTokens and state.promptTokens then
    table.insert(known, ('%d cached + %d new'):format(state.cachedTokens, state.promptTokens - state.cachedTokens))
  end
  if state.job ~= 'warmup' and state.tps then table.insert(known, ('%d tokens/s'):format(state.tps)) end
  return table.concat(known, ' · ')
end

local WORDS = {
  queued = function() return 'waiting' end,
  loading = function(state) return state.message or 'loading the model' end,
  warming = function(state) return ('reading %d %%'):format(share(state)) end,
  prefill = function(state) return ('reading %d %%'):format(share(state)) end,
  generating = function(state)
    return state.tps and ('answering · %d tokens/s'):format(state.tps) or 'answering'
  end,
  done = function(state) return 'ready · ' .. numbers(state) end,
  error = function() return 'failed' end,
  cancelled = function() return 'stopped' end,
}

-- A few words about the chat in the current window, else about what was done last.
function M.status()
  local state = M.states[chat.id(0) or ''] or latest
  return state and WORDS[state.phase] and ('Kvasir: ' .. WORDS[state.phase](state)) or ''
end

-- Buffer and row where it shows how far the model has read: in the chat, or at the code that is read ahead.
local function place(state)
  local buffer = state.session ~= '' and chat.buffer_of(state.session) or nil
  if buffer then return buffer, chat.last_row(buffer) end
  local at = require('kvasir.warm').at
  if at and api.nvim_buf_is_loaded(at.buffer) then
    return at.buffer, math.min(at.row, api.nvim_buf_line_count(at.buffer) - 1)
  end
end

local function hide(job)
  if shown[job] and api.nvim_buf_is_valid(shown[job]) then api.nvim_buf_clear_namespace(shown[job], marks, 0, -1) end
  shown[job] = nil
end

local function show(state)
  local buffer, row = place(state)
  hide(state.job)
  if not buffer then return end
  shown[state.job] = buffer
  local text = { { (' Kvasir: %s …'):format(WORDS[state.phase](state)), 'KvasirReading' } }
  api.nvim_buf_set_extmark(buffer, marks, row, 0, { virt_text = text, virt_text_pos = 'eol' })
end

local READING = { loading = true, warming = true, prefill = true }

function M.set(state)
  latest = state
  M.states[state.session] = state
  if READING[state.phase] then
    show(state)
  else
    hide(state.job)
  end
  api.nvim_exec_autocmds('User', { pattern = 'KvasirState', data = state })
end

-- The server is gone, and what it was doing.
function M.clear()
  vim.iter(vim.tbl_keys(shown)):each(hide)
  latest = nil
  for session in pairs(M.states) do
    M.states[session] = nil
  end
end

return M
