-- What a person chooses from a list, or is asked for.
local message = require('kvasir.message')
local options = require('kvasir.options')
local server = require('kvasir.server')
local M = {}

-- Ask for a question; the model reads along.
function M.question(given, words, on_words)
  local warm = require('kvasir.warm')
  warm.begin_input(given, words)
  vim.ui.input({ prompt = 'Ask Kvasir: ' }, function(question)
    warm.end_input()
    if question and question:find('%S') then on_words(options.join(words, question)) end
  end)
end

-- Choose one of the models; the one that answers now is marked.
function M.model(on_name)
  server.request('model', nil, function(reply)
    local function marked(name) return name == reply.model and name .. ' (answers now)' or name end
    vim.ui.select(reply.models, { prompt = 'Answer with', format_item = marked }, function(name)
      if name then on_name(name) end
    end)
  end)
end

local function described(listed)
  local line = ('%s · %s · %d'):format(os.date('%Y-%m-%d %H:%M', math.floor(listed.updated)), listed.title, listed.turns)
  return listed.turns == 1 and line .. ' turn' or line .. ' turns'
end

-- Choose one of the chats, of those with these words in them.
function M.chat(prompt, words, on_session)
  server.request('chats', words ~= '' and { words } or nil, function(reply)
    if #reply.sessions == 0 then return message.tell(words == '' and 'there is no chat yet.' or 'no chat holds that.') end
    vim.ui.select(reply.sessions, { prompt = prompt, format_item = described, kind = 'kvasir.chat' }, function(listed)
      if listed then on_session(listed.session) end
    end)
  end)
end

return M
