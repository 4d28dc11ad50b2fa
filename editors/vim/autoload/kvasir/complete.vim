" Completion of :Kvasir, :Q, :QQ and :QF.

" The person waits for a menu, not for a model.
let s:PATIENCE_MS = 500

function! s:starting(lead, found) abort
  return filter(copy(a:found), 'strpart(v:val, 0, strlen(a:lead)) ==# a:lead')
endfunction

function! s:models() abort
  return get(kvasir#client#reply('kvasir.model', [], s:PATIENCE_MS), 'models', [])
endfunction

" Options and a model, as long as nothing else was typed.
function! s:question(lead, before) abort
  if !kvasir#options#are_all(a:before)
    return []
  endif
  return s:starting(a:lead, g:kvasir#options#flags + map(s:models(), '"@" . v:val'))
endfunction

function! s:model(lead, before) abort
  return a:before ==# '' ? s:starting(a:lead, s:models()) : []
endfunction

" Titles; they have spaces, so only the rest of one takes the place of the word that is being typed.
function! s:chat(lead, before) abort
  let l:chats = get(kvasir#client#reply('kvasir.chats', [], s:PATIENCE_MS), 'sessions', [])
  let l:titles = s:starting(a:before . a:lead, map(l:chats, 'v:val.title'))
  return map(l:titles, 'strpart(v:val, strlen(a:before))')
endfunction

let s:COMPLETES = {'model': function('s:model'), 'retry': function('s:model')}
for s:name in ['ask', 'warmup', 'context', 'fork']
  let s:COMPLETES[s:name] = function('s:question')
endfor
for s:name in ['open', 'chats', 'delete']
  let s:COMPLETES[s:name] = function('s:chat')
endfor
unlet s:name

function! kvasir#complete#subcommand(lead, line, position) abort
  let l:typed = matchstr(strpart(a:line, 0, a:position), 'Kvasir\s\+\zs.*')
  let [l:name, l:text] = matchlist(l:typed, '^\(\S*\)\s*\(.*\)$')[1:2]
  if l:typed !~# '\s'
    return s:starting(a:lead, kvasir#command#names())
  endif
  return has_key(s:COMPLETES, l:name) ? s:COMPLETES[l:name](a:lead, strpart(l:text, 0, strlen(l:text) - strlen(a:lead))) : []
endfunction

" For the short names, which have no subcommand in front of the question.
function! kvasir#complete#question(lead, line, position) abort
  let l:text = matchstr(strpart(a:line, 0, a:position), '\<Q[QF]\?\s\+\zs.*')
  return s:question(a:lead, strpart(l:text, 0, strlen(l:text) - strlen(a:lead)))
endfunction
