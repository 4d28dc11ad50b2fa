-- What stands in front of a question. The server reads it; here it only matters whether a question follows.
local M = {}

M.FLAGS = { '-f', '-n', '-p', '-s', '-t', '-w' }

function M.are_all(words)
  return vim.iter(vim.gsplit(words, '%s+', { trimempty = true })):all(function(word) return word:find('^[-@]') ~= nil end)
end

-- Whether "-w" is among them: then they are a command without a question, too.
function M.warm(words) return M.are_all(words) and (' ' .. words):find('%s%-%a*w') ~= nil end

function M.join(words, question) return vim.trim(words .. ' ' .. question) end

return M
