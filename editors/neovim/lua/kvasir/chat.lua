-- The chat document as a buffer and in windows.
local api = vim.api
local M = {}

local WIDE = 160
local marks = api.nvim_create_namespace('kvasir')

-- Whether a buffer shows a chat.
function M.is_chat(buffer)
  local front = api.nvim_buf_get_lines(buffer, 0, 2, false)
  return front[1] == '---' and (front[2] or ''):find('^kvasir:') ~= nil
end

-- The id of the chat that a buffer shows, else nil.
function M.id(buffer)
  if not M.is_chat(buffer) then return nil end
  for _, line in ipairs(api.nvim_buf_get_lines(buffer, 2, 12, false)) do
    if line == '---' then return nil end
    local id = line:match('^chat:%s*(%w+)')
    if id then return id end
  end
end

-- The loaded buffer of a file, else nil. Exactly this one: bufnr() alone would take a part of a name.
function M.buffer(path)
  local buffer = vim.fn.bufexists(path) == 1 and vim.fn.bufnr(path) or -1
  return buffer > 0 and api.nvim_buf_is_loaded(buffer) and buffer or nil
end

-- The loaded buffer of a chat, else nil.
function M.buffer_of(id)
  return vim.iter(api.nvim_list_bufs()):find(
    function(buffer) return api.nvim_buf_is_loaded(buffer) and M.id(buffer) == id end
  )
end

-- Number of the turn under the cursor if the current buffer is a chat document, else nil.
function M.turn()
  if not M.is_chat(0) then return nil end
  local above = api.nvim_buf_get_lines(0, 0, api.nvim_win_get_cursor(0)[1], true)
  return #vim.tbl_filter(function(line) return line:find('^## You <!%-%- kv %w+ %-%->') end, above)
end

-- The row of a chat's last line with words in it.
function M.last_row(buffer)
  for row = api.nvim_buf_line_count(buffer) - 1, 1, -1 do
    if api.nvim_buf_get_lines(buffer, row, row + 1, true)[1]:find('%S') then return row end
  end
  return 0
end

-- The window of another chat on this page, unless somebody types there.
local function window_of_chats()
  for _, window in ipairs(api.nvim_tabpage_list_wins(0)) do
    local typing = window == api.nvim_get_current_win() and api.nvim_get_mode().mode:find('^[iR]')
    if not typing and M.is_chat(api.nvim_win_get_buf(window)) then return window end
  end
end

-- Another window for a buffer; nil where the screen has no room for one.
local function beside(buffer)
  local split = vim.o.columns >= WIDE and 'right' or 'below'
  local fits, window = pcall(api.nvim_open_win, buffer, false, { win = -1, split = split })
  if fits then return window end
  require('kvasir.message').tell(('there is no room to show the chat; ":buffer %d" does.'):format(buffer))
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
    window = beside(buffer)
  end
  if window then api.nvim_win_set_cursor(window, { api.nvim_buf_line_count(buffer), 0 }) end
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

return M
