-- The server: how it is started, whether it suits this plug-in, and what is asked of it.
local message = require('kvasir.message')
local M = {}

-- Of what the server and this plug-in say to each other; the server tells which side is the older one.
M.PROTOCOL = 1
-- A person waits for a completion, but not longer.
local COMPLETION_MS = 500

-- The program with these arguments, as a list of words.
function M.command(...)
  local program = vim.g.kvasir_command or 'kvasir'
  return vim.list_extend(type(program) == 'table' and vim.deepcopy(program) or { program }, { ... })
end

-- The server that runs, if one does.
function M.client()
  return vim.iter(vim.lsp.get_clients({ name = 'kvasir' })):find(function(client) return not client:is_stopped() end)
end

-- Whether the program is there. Neovim only logs that it is not; we say it, once.
local missed = false

local function is_there(cmd)
  if type(cmd) ~= 'table' or vim.fn.executable(cmd[1]) == 1 then return true end
  if not missed then
    missed = true
    local advice = 'Install Kvasir, or name the program in vim.g.kvasir_command; ":checkhealth kvasir" has more.'
    message.complain(('there is no program "%s". %s'):format(cmd[1], advice))
  end
  return false
end

-- Start the server for a file, or let the one that runs know it.
local function attach(buffer)
  if vim.bo[buffer].buftype ~= '' or vim.api.nvim_buf_get_name(buffer) == '' then return end
  local config = vim.deepcopy(vim.lsp.config.kvasir)
  if not is_there(config.cmd) then return end
  local function start(root)
    config.root_dir = root
    vim.lsp.start(config, { bufnr = buffer, reuse_client = config.reuse_client })
  end
  if type(config.root_dir) == 'function' then return config.root_dir(buffer, start) end
  start(config.root_dir or vim.fs.root(buffer, config.root_markers))
end

-- A file was opened. Neovim starts servers by file type; questions are asked about files without one, too.
function M.opened(buffer)
  local disabled = vim.lsp.is_enabled and not vim.lsp.is_enabled('kvasir') -- 0.11 cannot tell
  if disabled or not is_there(vim.lsp.config.kvasir.cmd) then return end
  if vim.bo[buffer].filetype == '' then attach(buffer) end
end

-- The protocol of a server; nil if it is too old to tell.
function M.protocol(client)
  local offered = client.server_capabilities.experimental
  return type(offered) == 'table' and type(offered.kvasir) == 'table' and offered.kvasir.protocol or nil
end

-- What was asked for while the server starts; nil when it does not.
local waiting = nil

function M.starting() waiting = {} end

-- The server has introduced itself. One that is newer than this plug-in says so.
function M.met(client)
  local held = waiting or {}
  waiting = nil
  vim.schedule(function() vim.iter(held):each(function(ask) ask() end) end)
  if M.protocol(client) then return end
  message.complain('this Kvasir is too old for the plug-in: update it, or much will not work.')
end

local restarting = false

local function attach_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) then attach(buffer) end
  end
end

-- The server has ended: because it was told to, or not.
function M.ended(code, signal)
  vim.schedule(function()
    waiting = nil
    require('kvasir.state').clear()
    if restarting then
      restarting = false
      attach_all()
    elseif vim.v.exiting == vim.NIL and (code ~= 0 or signal ~= 0) then
      message.complain('its server has ended by itself; ":Kvasir restart" starts it again.')
    end
  end)
end

-- End the server, if it runs, and start it for all files that are open.
function M.restart()
  missed = false
  local client = M.client()
  if not client then return attach_all() end
  restarting = true
  client:stop()
end

-- Let the server do a command; what it refuses is told.
function M.request(name, arguments, on_result)
  local client = M.client()
  if not client and waiting then
    return table.insert(waiting, function() M.request(name, arguments, on_result) end)
  end
  if not client then
    return message.complain('its server does not run; ":checkhealth kvasir" tells why, ":Kvasir restart" starts it.')
  end
  local command = { title = name, command = 'kvasir.' .. name, arguments = arguments }
  client:exec_cmd(command, { bufnr = vim.api.nvim_get_current_buf() }, function(failure, result)
    if failure then return message.complain(failure.message) end
    if on_result then on_result(result) end
  end)
end

-- What a command without arguments replies, now: for completion. An empty table if it takes too long.
function M.reply(name)
  local client = M.client()
  if not client then return {} end
  local params = { command = 'kvasir.' .. name }
  local reply = client:request_sync('workspace/executeCommand', params, COMPLETION_MS)
  return reply and reply.result or {}
end

-- Tell the server about the current file, if it knows it.
function M.notify(method, params)
  local client = vim.lsp.get_clients({ name = 'kvasir', bufnr = 0 })[1]
  if client then client:notify(method, params) end
end

return M
