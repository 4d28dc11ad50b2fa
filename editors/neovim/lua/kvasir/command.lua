-- :Kvasir NAME TEXT becomes the server's command kvasir.NAME with the place that it is about.
local chat = require('kvasir.chat')
local message = require('kvasir.message')
local options = require('kvasir.options')
local pick = require('kvasir.pick')
local place = require('kvasir.place')
local server = require('kvasir.server')
local M = {}

-- The server reads the words: they are a question with its options, a name, or what is looked for.
local function send(name, given, words)
  server.request(name, { given, words ~= '' and words or nil })
end

local function ask(given, words)
  if not options.are_all(words) or options.warm(words) then return send('ask', given, words) end
  pick.question(given, words, function(all) send('ask', given, all) end)
end

local function open(session) send('open', { session = session }, '') end

local function delete(session)
  vim.ui.select({ 'Keep it', 'Delete it' }, { prompt = 'Delete chat ' .. session .. '?' }, function(choice)
    if choice ~= 'Delete it' then return end
    server.request('delete', { { session = session } }, function()
      local buffer = chat.buffer_of(session)
      if buffer then vim.api.nvim_buf_delete(buffer, { force = true }) end
    end)
  end)
end

-- The chat with exactly this title, else nil: completion offers titles.
local function titled(title)
  local found = vim.iter(server.reply('chats').sessions or {}):find(function(listed) return listed.title == title end)
  return found and found.session
end

local function rename(given, words)
  if words ~= '' then return send('rename', given, words) end
  vim.ui.input({ prompt = 'New title: ' }, function(title)
    if title and title:find('%S') then send('rename', given, title) end
  end)
end

local function tell_status(reply)
  local lines = { require('kvasir.state').status() }
  for name, model in vim.spairs(reply.models) do
    local counters = model.counters
    table.insert(lines, ('%s: %s, %d slots of %d tokens'):format(name, model.url, #model.slots, model.windowTokens))
    if counters.answers then
      local words = '  %d answers, %d cached + %d new tokens, %d misses'
      table.insert(
        lines,
        words:format(counters.answers, counters.cached_tokens, counters.new_tokens, counters.misses)
      )
    end
  end
  if vim.tbl_isempty(reply.models) then table.insert(lines, 'no model is loaded; the first question loads one') end
  print(table.concat(lines, '\n'))
end

-- What each name does with its words; those that are missing here only send them, with the file.
local DOES = {
  ask = function(words, call) ask(place.code(call), words) end,
  warmup = function(words, call) send('warmup', place.code(call), words) end,
  context = function(words, call) send('context', place.code(call), words) end,
  fork = function(words) send('fork', place.turn(), words) end,
  retry = function(words) send('retry', place.turn(), words) end,
  rename = function(words) rename(place.file(), words) end,
  send = function() send('send', place.file(), '') end,
  cancel = function(words) send('cancel', place.file(), words) end,
  open = function(words)
    if words == '' then return pick.chat('Open', '', open) end
    local session = titled(words)
    if session then return open(session) end
    send('open', vim.empty_dict(), words)
  end,
  chats = function(words) pick.chat('Open', words, open) end,
  delete = function(words)
    local session = words ~= '' and (titled(words) or words) or chat.id(0)
    if session then return delete(session) end
    pick.chat('Delete', '', delete)
  end,
  model = function(words)
    local given = place.file()
    if words ~= '' then return send('model', given, words) end
    pick.model(function(name) send('model', given, name) end)
  end,
  status = function() server.request('status', nil, tell_status) end,
  messages = function() print(table.concat(message.told, '\n')) end,
  restart = function() server.restart() end,
}

local NAMES = vim.tbl_keys(DOES)
table.sort(NAMES)

local function starting(lead, found)
  return vim.tbl_filter(function(word) return vim.startswith(word, lead) end, found)
end

local function models() return server.reply('model').models or {} end

-- Options and a model, as long as nothing else was typed.
local function complete_question(lead, before)
  if not options.are_all(before) then return {} end
  local found = vim.tbl_map(function(name) return '@' .. name end, models())
  return starting(lead, vim.list_extend(vim.deepcopy(options.FLAGS), found))
end

-- Titles; they have spaces, so only the rest of one takes the place of the word that is being typed.
local function complete_chat(lead, before)
  local titles = vim.tbl_map(function(listed) return listed.title end, server.reply('chats').sessions or {})
  return vim.tbl_map(function(title) return title:sub(#before + 1) end, starting(before .. lead, titles))
end

local function complete_model(lead, before) return before == '' and starting(lead, models()) or {} end

local COMPLETES = {
  ask = complete_question,
  warmup = complete_question,
  context = complete_question,
  fork = complete_question,
  open = complete_chat,
  chats = complete_chat,
  delete = complete_chat,
  model = complete_model,
  retry = complete_model,
}

function M.complete(lead, line, position)
  local typed = line:sub(1, position):match('Kvasir%s+(.*)$') or ''
  local name, text = typed:match('^(%S+)%s+(.*)$')
  if not name then return starting(lead, NAMES) end
  return COMPLETES[name] and COMPLETES[name](lead, text:sub(1, #text - #lead)) or {}
end

-- The same for :Q and :QQ, which have no name in front of the question.
function M.complete_question(lead, line, position)
  local text = line:sub(1, position):match('Q%s+(.*)$') or ''
  return complete_question(lead, text:sub(1, #text - #lead))
end

function M.run(call)
  local name, words = call.args:match('^(%S+)%s*(.-)%s*$')
  if not DOES[name] then
    return message.complain(('there is no ":Kvasir %s"; there are %s.'):format(name, table.concat(NAMES, ', ')))
  end
  DOES[name](words, call)
end

-- :Q goes on with the last chat, or asks about its range.
function M.q(call) ask(place.code(call), vim.trim(call.args)) end

-- :QQ asks about code: its range, else the whole file.
function M.qq(call) ask(place.all(call), vim.trim(call.args)) end

-- :QF forks at the turn under the cursor, or at the one that its count tells.
function M.qf(call)
  local given = place.turn()
  if call.range == 1 then given.turn = call.count end
  send('fork', given, vim.trim(call.args))
end

return M
