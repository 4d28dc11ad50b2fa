vim.lsp.enable('kvasir')

vim.api.nvim_create_user_command('Kvasir', function(call) require('kvasir').run(call) end, {
  nargs = '+',
  range = true,
  complete = function(lead)
    return vim.tbl_filter(
      function(name) return vim.startswith(name, lead) end,
      { 'ask', 'cancel', 'fork', 'messages', 'model', 'open', 'rename', 'retry', 'warmup' }
    )
  end,
})

local group = vim.api.nvim_create_augroup('kvasir', {})
vim.api.nvim_create_autocmd({ 'CursorMoved', 'ModeChanged' }, {
  group = group,
  callback = function() require('kvasir').selected() end,
})
vim.api.nvim_create_autocmd('CmdlineChanged', {
  group = group,
  pattern = ':',
  callback = function() require('kvasir').typed() end,
})
vim.api.nvim_create_autocmd('BufReadPost', {
  group = group,
  pattern = '*.md',
  callback = function(event) require('kvasir.chat').read(event.buf) end,
})
vim.api.nvim_create_autocmd('BufWinEnter', {
  group = group,
  pattern = '*.md',
  callback = function(event)
    local chat = require('kvasir.chat')
    if chat.is_chat(event.buf) then chat.dress(vim.api.nvim_get_current_win()) end
  end,
})
