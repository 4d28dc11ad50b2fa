if vim.g.loaded_kvasir then return end
vim.g.loaded_kvasir = true
if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Kvasir: this plug-in needs Neovim 0.11 or newer.', vim.log.levels.ERROR)
  return
end

local api = vim.api

vim.lsp.enable('kvasir')

api.nvim_create_user_command('Kvasir', function(call) require('kvasir.command').run(call) end, {
  nargs = '+',
  range = true,
  complete = function(...) return require('kvasir.command').complete(...) end,
  desc = 'Talk with Kvasir: ask, fork, open, model, ...',
})

-- The short names, unless somebody else has them: known when all is loaded.
local function short_names()
  local function command(name, run, more)
    local free = vim.fn.exists(':' .. name) ~= 2
    local given = { nargs = '*', complete = function(...) return require('kvasir.command').complete_question(...) end }
    if free then api.nvim_create_user_command(name, run, vim.tbl_extend('error', given, more)) end
  end
  command('Q', function(call) require('kvasir.command').q(call) end, { range = true, desc = 'Ask Kvasir' })
  command('QQ', function(call) require('kvasir.command').qq(call) end, { range = true, desc = 'Ask Kvasir about code' })
  command('QF', function(call) require('kvasir.command').qf(call) end, { count = 0, desc = 'Fork a chat with Kvasir' })
end

local keys = {
  ask = ':Kvasir ask<CR>',
  warmup = ':Kvasir warmup<CR>',
  fork = '<Cmd>Kvasir fork<CR>',
  retry = '<Cmd>Kvasir retry<CR>',
  send = '<Cmd>Kvasir send<CR>',
  cancel = '<Cmd>Kvasir cancel<CR>',
  open = '<Cmd>Kvasir open<CR>',
  model = '<Cmd>Kvasir model<CR>',
}
for name, keystrokes in pairs(keys) do
  vim.keymap.set({ 'n', 'x' }, ('<Plug>(kvasir-%s)'):format(name), keystrokes, { desc = 'Kvasir: ' .. name, silent = true })
end

local group = api.nvim_create_augroup('kvasir', {})
local function on(events, pattern, callback)
  api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
end

on({ 'CursorMoved', 'ModeChanged' }, '*', function() require('kvasir.warm').selected() end)
on('CmdlineChanged', ':', function() require('kvasir.warm').typed() end)
on('CmdlineChanged', '@', function() require('kvasir.warm').typed_input() end)
on('BufReadPost', '*.md', function(event) require('kvasir.answer').forget(event.buf) end)
on('BufWinEnter', '*.md', function(event)
  local chat = require('kvasir.chat')
  if chat.is_chat(event.buf) then chat.dress(api.nvim_get_current_win()) end
end)
on({ 'BufReadPost', 'BufNewFile' }, '*', function(event)
  vim.schedule(function()
    if api.nvim_buf_is_loaded(event.buf) then require('kvasir.server').opened(event.buf) end
  end)
end)

if vim.v.vim_did_enter == 1 then
  short_names()
else
  on('VimEnter', '*', short_names)
end
