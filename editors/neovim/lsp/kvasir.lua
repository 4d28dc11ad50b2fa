-- Kvasir's server for :help lsp-config. No filetypes: questions are asked about any file.
local server = require('kvasir.server')

return {
  cmd = server.command('lsp'),
  root_markers = { '.git', '.kvasir' },
  -- One server for all roots: a chat document may lie outside the project that it is about.
  reuse_client = function(client, config) return client.name == config.name and not client:is_stopped() end,
  init_options = {
    kvasir = {
      client = {
        name = 'kvasir.nvim',
        version = '0.1.0',
        protocol = server.PROTOCOL,
        features = { 'delta', 'state', 'selection', 'input' },
      },
    },
  },
  before_init = server.starting,
  on_init = server.met,
  on_exit = server.ended,
  handlers = {
    ['kvasir/delta'] = function(_, params) require('kvasir.answer').delta(params) end,
    ['kvasir/state'] = function(_, params) require('kvasir.state').set(params) end,
    ['window/showMessage'] = function(_, params) require('kvasir.message').tell(params.message, params.type) end,
    ['window/showDocument'] = function(_, params)
      require('kvasir.chat').show(vim.uri_to_fname(params.uri))
      return { success = true }
    end,
  },
}
