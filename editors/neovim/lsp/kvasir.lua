-- Kvasir's server for :help lsp-config. No filetypes: questions are asked about any file.
return {
  cmd = { 'kvasir', 'lsp' },
  root_markers = { '.git', '.kvasir' },
  -- One server for all roots: a chat document may lie outside the project that it is about.
  reuse_client = function(client, config) return client.name == config.name end,
  init_options = {
    kvasir = {
      client = { name = 'kvasir.nvim', version = '0.1.0', features = { 'delta', 'state', 'selection' } },
    },
  },
  handlers = {
    ['kvasir/delta'] = function(_, params) require('kvasir.chat').delta(params) end,
    ['kvasir/state'] = function(_, params) require('kvasir').state(params) end,
    ['window/showMessage'] = function(_, params) require('kvasir').tell(params.message, params.type) end,
    ['window/showDocument'] = function(_, params)
      require('kvasir.chat').show(vim.uri_to_fname(params.uri))
      return { success = true }
    end,
  },
}
