-- :checkhealth kvasir
local server = require('kvasir.server')
local health = vim.health
local M = {}

local DOCTOR_MS = 30000

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 1 then return health.ok('Neovim ' .. version) end
  health.error('Neovim ' .. version .. ' is too old.', 'Update it to 0.11 or newer.')
end

-- The path of the program, else nil.
local function check_program()
  local program = server.command()[1]
  local path = vim.fn.exepath(program)
  if path == '' then
    local advice = { 'Install Kvasir, or name the program in vim.g.kvasir_command.' }
    return health.error(('There is no program "%s".'):format(program), advice)
  end
  local done = vim.system(server.command('--version'), { text = true }):wait(DOCTOR_MS)
  if done.code ~= 0 then return health.error(path .. ' does not work: ' .. done.stderr) end
  health.ok(('%s (%s)'):format(vim.trim(done.stdout), path))
  return path
end

local function check_server()
  local client = server.client()
  if not client then
    return health.error('Its server does not run.', { 'Open a file.', ':Kvasir restart', ':checkhealth vim.lsp' })
  end
  health.ok(('Its server runs for %d open files.'):format(vim.tbl_count(client.attached_buffers)))
  local offered = server.protocol(client)
  if offered == server.PROTOCOL then
    health.ok('Server and plug-in understand each other (protocol ' .. offered .. ').')
  else
    local words = 'The plug-in speaks protocol %d, the server %s.'
    health.error(words:format(server.PROTOCOL, offered or 'an older one'), 'Update the older of the two.')
  end
  local reply = server.reply('model')
  if reply.models then
    health.ok(('Models: %s; %s answers.'):format(table.concat(reply.models, ', '), reply.model))
  else
    health.warn('The server did not tell its models in time.')
  end
end

-- "ok  WHAT" and "!!  WHAT", each perhaps with an indented line of advice below.
local function check_doctor()
  local done = vim.system(server.command('doctor'), { text = true }):wait(DOCTOR_MS)
  local found = {}
  for line in vim.gsplit(done.stdout or '', '\n', { trimempty = true }) do
    local mark, what = line:match('^(%S%S)%s+(.*)$')
    if mark then
      table.insert(found, { well = mark == 'ok', what = what, advice = {} })
    elseif #found > 0 then
      table.insert(found[#found].advice, vim.trim(line))
    end
  end
  for _, finding in ipairs(found) do
    if not finding.well then
      health.warn(finding.what, finding.advice)
    elseif #finding.advice > 0 then
      health.ok(finding.what .. '\n' .. table.concat(finding.advice, '\n'))
    else
      health.ok(finding.what)
    end
  end
  if #found == 0 then health.error('"kvasir doctor" said nothing: ' .. (done.stderr or '')) end
end

function M.check()
  health.start('kvasir: the plug-in')
  check_neovim()
  local path = check_program()
  check_server()
  if not path then return end
  health.start('kvasir: what "kvasir doctor" finds')
  check_doctor()
end

return M
