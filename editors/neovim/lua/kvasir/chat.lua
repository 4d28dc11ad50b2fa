-- The chat document as a buffer: it grows while an answer streams, without a switch of windows.
local api = vim.api
local M = {}

local WIDE = 160
local marks = api.nvim_create_namespace('kvasir')
-- By buffer: how much of an answer (of which turn) it has, in characters, and the tick of our last change.
local written = {}

-- Whether a buffer shows a chat.
function M.is_chat(buffer)
  local front = api.nvim_buf_get_lines(buffer, 0, 2, false)
  return front[1] == '---' and (front[2] or ''):find('^kvasir:') ~= nil
end

-- Number of the turn under the cursor if the current buffer is a chat document, else nil.
function M.turn()
  if not M.is_chat(0) then return nil end
  local above = api.nvim_buf_get_lines(0, 0, api.nvim_win_get_cursor(0)[1], true)
  return #vim.tbl_filter(function(line) return line:find('^## You <!%-%- kv %w+ %-%->') end, above)
end

-- The window of another chat on this page, unless somebody types there.
local function window_of_chats()
  for _, window in ipairs(api.nvim_tabpage_list_wins(0)) do
    local typing = window == api.nvim_get_current_win() and api.nvim_get_mode().mode:find('^[iR]')
    if not typing and M.is_chat(api.nvim_win_get_buf(window)) then return window end
  end
end

-- Bring a chat to the screen and leave the cursor where it is.
function M.show(path)
  local buffer = vim.fn.bufadd(path)
  vim.bo[buffer].buflisted = true
  -- Another Neovim may show it too: no question about its swap file.
  local shortmess = vim.o.shortmess
  vim.o.shortmess = shortmess .. 'A'
  vim.fn.bufload(buffer)
  vim.o.shortmess = shortmess
  if #vim.fn.win_findbuf(buffer) > 0 then return end
  local window = window_of_chats()
  if window then
    api.nvim_win_set_buf(window, buffer)
  else
    window = api.nvim_open_win(buffer, false, { win = -1, split = vim.o.columns >= WIDE and 'right' or 'below' })
  end
  api.nvim_win_set_cursor(window, { api.nvim_buf_line_count(buffer), 0 })
end

-- Long lines are paragraphs here, and nobody wants to read the ids of turns.
function M.dress(window)
  local options = vim.wo[window][0]
  options.wrap, options.linebreak, options.smoothscroll, options.conceallevel = true, true, true, 2
end

api.nvim_set_decoration_provider(marks, {
  on_win = function(_, _, buffer) return M.is_chat(buffer) end,
  on_line = function(_, _, buffer, row)
    local line = api.nvim_buf_get_lines(buffer, row, row + 1, true)[1]
    local from, to = line:find('%s*<!%-%- kv [^>]*%-%->$')
    if from then
      api.nvim_buf_set_extmark(buffer, marks, row, from - 1, { end_col = to, conceal = '', ephemeral = true })
    end
  end,
})

-- Rows (from 0) of the heading and of the stop line of the answer that is being written, and its turn's id.
local function answering(lines)
  for stop = #lines, 1, -1 do
    local id = lines[stop]:match('<!%-%- kv stop (%w+) %-%->')
    for row = stop, id and 1 or stop + 1, -1 do
      if lines[row]:find('## Kvasir <!-- kv ' .. id, 1, true) then return row - 1, stop - 1, id end
    end
  end
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
  written[buffer] = nil
  write(buffer)
end

-- Text of the answer goes two lines above the stop line; a "mark" takes that line's place. ``at`` tells where
-- in the answer the text begins: a part of it, or all, may be here already if the file was opened late.
function M.delta(params)
  local buffer = vim.fn.bufnr(params.path)
  if buffer < 0 or not api.nvim_buf_is_loaded(buffer) then return end -- the server writes the file
  local lines = api.nvim_buf_get_lines(buffer, 0, -1, true)
  local heading, stop, id = answering(lines)
  if not stop then return end -- deleted by the person: the server stops
  local state = written[buffer]
  if not state or state.id ~= id then
    local text = table.concat(lines, '\n', heading + 3, math.max(heading + 2, stop - 1))
    state = { id = id, at = vim.fn.strchars(text) }
    written[buffer] = state
    if params.at == 0 then M.show(params.path) end
  end
  if params.at > state.at then return end -- it comes again: the server was told that the file was opened
  if params.kind == 'mark' then return close(buffer, state, stop, params.text) end
  local text = vim.fn.strcharpart(params.text, state.at - params.at)
  if text == '' then return end
  state.at = state.at + vim.fn.strchars(text)
  local row, column = stop - 2, #lines[stop - 1]
  change(buffer, state, function()
    api.nvim_buf_set_text(buffer, row, column, row, column, vim.split(text, '\n'))
  end)
end

-- The file was read: it has what it has.
function M.read(buffer) written[buffer] = nil end

return M
