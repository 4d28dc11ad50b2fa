-- An answer that streams into its chat's buffer, without a switch of windows.
local api = vim.api
local chat = require('kvasir.chat')
local M = {}

local marks = api.nvim_create_namespace('kvasir.answer')
-- By buffer: the turn's id, how much of its answer is there (in characters), a mark at its stop line, and the
-- tick of our last change.
local written = {}

local function line_at(buffer, row) return api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or '' end

local function stopping(line) return line:match('<!%-%- kv stop (%w+) %-%->') end

-- The answer that is being written, as the whole document has it. Nil without a stop line.
local function search(buffer)
  local lines = api.nvim_buf_get_lines(buffer, 0, -1, true)
  for stop = #lines, 1, -1 do
    local id = stopping(lines[stop])
    for row = stop, id and 1 or stop + 1, -1 do
      if lines[row]:find('## Kvasir <!-- kv ' .. id, 1, true) then
        local text = table.concat(lines, '\n', row + 2, math.max(row + 1, stop - 2))
        return { id = id, at = vim.fn.strchars(text), stop = stop - 1 }
      end
    end
  end
end

-- The answer that is being written and the row of its stop line. A long one is searched for once: its mark moves
-- with the text.
local function answering(buffer)
  local state = written[buffer]
  local row = state and api.nvim_buf_get_extmark_by_id(buffer, marks, state.mark, {})[1]
  if row and stopping(line_at(buffer, row)) == state.id then return state, row end
  local found = search(buffer)
  if not found then return nil end
  if not state or state.id ~= found.id then state = { id = found.id, at = found.at } end
  state.mark = api.nvim_buf_set_extmark(buffer, marks, found.stop, 0, { id = state.mark })
  written[buffer] = state
  return state, found.stop
end

-- Windows that follow the answer: those at the end, and at its beginning all where nobody types.
local function followers(buffer, begins)
  local last, here = api.nvim_buf_line_count(buffer), api.nvim_get_current_win()
  return vim.tbl_filter(function(window)
    if api.nvim_win_get_cursor(window)[1] == last then return true end
    return begins and not (window == here and api.nvim_get_mode().mode ~= 'n')
  end, vim.fn.win_findbuf(buffer))
end

-- Change the buffer: one answer is one step of undo, and windows that follow stay at the end.
local function change(buffer, state, edit)
  local windows = followers(buffer, state.tick == nil)
  if state.tick == api.nvim_buf_get_changedtick(buffer) then
    api.nvim_buf_call(buffer, function() pcall(vim.cmd.undojoin) end)
  end
  edit()
  state.tick = api.nvim_buf_get_changedtick(buffer)
  for _, window in ipairs(windows) do
    api.nvim_win_set_cursor(window, { api.nvim_buf_line_count(buffer), 0 })
  end
end

-- What is finished belongs on the disk. Without autocommands: this is no saving that sends.
local function write(buffer)
  api.nvim_buf_call(buffer, function() vim.cmd('silent! noautocmd keepalt write!') end)
end

local function close(buffer, state, stop, text)
  change(buffer, state, function()
    api.nvim_buf_set_lines(buffer, stop, stop + 1, true, vim.split(text:gsub('\n$', ''), '\n'))
  end)
  M.forget(buffer)
  write(buffer)
end

-- Text of the answer goes two lines above the stop line; a "mark" takes that line's place. ``at`` tells where
-- in the answer the text begins: a part of it, or all, may be here already if the file was opened late.
function M.delta(params)
  local buffer = chat.buffer(params.path)
  if not buffer then return end -- the server writes the file
  if params.seq == 1 then chat.show(params.path) end
  local state, stop = answering(buffer)
  if not state then return end -- deleted by the person: the server stops
  if params.at > state.at then return end -- it comes again: the server was told that the file was opened
  if params.kind == 'mark' then return close(buffer, state, stop, params.text) end
  local text = vim.fn.strcharpart(params.text, state.at - params.at)
  if text == '' then return end
  state.at = state.at + vim.fn.strchars(text)
  local row = stop - 2
  local column = #line_at(buffer, row)
  change(buffer, state, function()
    api.nvim_buf_set_text(buffer, row, column, row, column, vim.split(text, '\n'))
  end)
end

-- The file was read, or its answer is complete: it has what it has.
function M.forget(buffer)
  written[buffer] = nil
  api.nvim_buf_clear_namespace(buffer, marks, 0, -1)
end

return M
