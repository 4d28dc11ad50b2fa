" :Kvasir NAME TEXT becomes the server's command kvasir.NAME with the place that it is about.

" Send a command; ``Then`` gets the reply, if it is one. Chats are written before: what was typed there and not
" saved would keep the server from writing in them.
function! kvasir#command#send(name, arguments, ...) abort
  call kvasir#command#execute('kvasir.' . a:name, a:arguments, a:0 ? a:1 : {reply -> 0})
endfunction

function! kvasir#command#execute(command, arguments, ...) abort
  for l:buffer in filter(kvasir#chat#all(), 'getbufvar(v:val, "&modified") && !kvasir#answer#is_streaming(v:val)')
    call kvasir#chat#write(l:buffer)
    call kvasir#client#flush(l:buffer)
  endfor
  let l:Then = a:0 ? a:1 : {reply -> 0}
  call kvasir#client#request('workspace/executeCommand', {'command': a:command, 'arguments': a:arguments},
    \ {error, result -> s:replied(error, result, l:Then)})
endfunction

function! s:replied(error, result, Then) abort
  if a:error !=# ''
    return kvasir#message#complain(a:error)
  endif
  if has_key(a:result, 'path')
    call kvasir#window#show(a:result.path)
  endif
  call a:Then(a:result)
endfunction

" The server reads the words: they are a question with its options, a name, or what is looked for.
function! s:send(name, given, words) abort
  call kvasir#command#send(a:name, a:words ==# '' ? [a:given] : [a:given, a:words])
endfunction

function! s:ask(given, words) abort
  let l:words = a:words
  if kvasir#options#are_all(l:words) && !kvasir#options#warm(l:words)
    let l:question = kvasir#warm#prompt(a:given, l:words)
    if l:question ==# ''
      return
    endif
    let l:words = kvasir#options#join(l:words, l:question)
  endif
  call s:send('ask', a:given, l:words)
endfunction

" The chat with exactly this title, '' without one: completion offers titles.
function! s:titled(title, reply) abort
  let l:found = filter(copy(a:reply.sessions), 'v:val.title ==# a:title')
  return empty(l:found) ? '' : l:found[0].session
endfunction

function! s:open_chat(session) abort
  call kvasir#command#send('open', [{'session': a:session}])
endfunction

function! s:open(words) abort
  if a:words ==# ''
    return kvasir#command#send('open', [{}])
  endif
  call kvasir#command#send('chats', [], {reply -> s:open_found(a:words, s:titled(a:words, reply))})
endfunction

function! s:open_found(words, session) abort
  return a:session ==# '' ? s:send('open', {}, a:words) : s:open_chat(a:session)
endfunction

function! s:delete_chat(session) abort
  if confirm('Delete chat ' . a:session . '?', "&Keep it\n&Delete it") == 2
    call kvasir#command#send('delete', [{'session': a:session}], {reply -> s:wipe(a:session)})
  endif
endfunction

function! s:wipe(session) abort
  let l:buffer = kvasir#chat#buffer_of(a:session)
  if l:buffer
    execute 'silent bwipeout!' l:buffer
  endif
  call kvasir#message#tell('chat ' . a:session . ' is deleted')
endfunction

function! s:delete_found(words, session) abort
  call s:delete_chat(a:session ==# '' ? a:words : a:session)
endfunction

function! s:delete(words) abort
  if a:words !=# ''
    call kvasir#command#send('chats', [], {reply -> s:delete_found(a:words, s:titled(a:words, reply))})
  elseif kvasir#chat#is(bufnr('%'))
    call s:delete_chat(kvasir#chat#id(bufnr('%')))
  else
    call kvasir#pick#chat('Delete', '', function('s:delete_chat'))
  endif
endfunction

function! s:rename(given, words) abort
  let l:title = a:words ==# '' ? trim(input('New title: ')) : a:words
  if l:title !=# ''
    call s:send('rename', a:given, l:title)
  endif
endfunction

function! s:model(given, words) abort
  if a:words ==# ''
    return kvasir#pick#model({name -> s:send('model', a:given, name)})
  endif
  call s:send('model', a:given, a:words)
endfunction

function! s:show(lines) abort
  for l:line in a:lines
    echo l:line
  endfor
endfunction

function! s:place(words, call) abort
  return call('kvasir#place#code', [a:words] + a:call)
endfunction

" What each name does with its words and the range.
let s:DOES = {
  \ 'ask': {words, call -> s:ask(s:place(words, call), words)},
  \ 'warmup': {words, call -> s:send('warmup', s:place(words, call), words)},
  \ 'context': {words, call -> s:send('context', s:place(words, call), words)},
  \ 'fork': {words, call -> s:send('fork', kvasir#place#turn(), words)},
  \ 'retry': {words, call -> s:send('retry', kvasir#place#turn(), words)},
  \ 'send': {words, call -> s:send('send', kvasir#place#file(), '')},
  \ 'cancel': {words, call -> s:send('cancel', kvasir#place#file(), words)},
  \ 'open': {words, call -> s:open(words)},
  \ 'chats': {words, call -> kvasir#pick#chat('Open', words, function('s:open_chat'))},
  \ 'delete': {words, call -> s:delete(words)},
  \ 'rename': {words, call -> s:rename(kvasir#place#file(), words)},
  \ 'model': {words, call -> s:model(kvasir#place#file(), words)},
  \ 'status': {words, call -> kvasir#command#send('status', [], {reply -> s:show(kvasir#status#lines(reply))})},
  \ 'messages': {words, call -> s:show(kvasir#message#told())},
  \ 'restart': {words, call -> kvasir#client#restart()},
  \ }

function! kvasir#command#names() abort
  return sort(keys(s:DOES))
endfunction

function! kvasir#command#run(text, range, first, last) abort
  let [l:name, l:words] = matchlist(a:text, '^\(\S*\)\s*\(.\{-}\)\s*$')[1:2]
  if !has_key(s:DOES, l:name)
    return kvasir#message#complain(printf('there is no ":Kvasir %s"; there are %s',
      \ l:name, join(kvasir#command#names(), ', ')))
  endif
  call s:DOES[l:name](l:words, [a:range, a:first, a:last])
endfunction

" :Q goes on with the last chat, or asks about its range.
function! kvasir#command#q(words, range, first, last) abort
  call s:ask(kvasir#place#code(a:words, a:range, a:first, a:last), trim(a:words))
endfunction

" :QQ asks about code: its range, else the whole file.
function! kvasir#command#qq(words, range, first, last) abort
  call s:ask(kvasir#place#all(a:words, a:range, a:first, a:last), trim(a:words))
endfunction

" :QF forks at the turn under the cursor, or at the one that its count tells.
function! kvasir#command#qf(words, count) abort
  let l:given = kvasir#place#turn()
  if a:count > 0
    let l:given.turn = a:count
  endif
  call s:send('fork', l:given, trim(a:words))
endfunction
