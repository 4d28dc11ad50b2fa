" An answer that streams into its chat's buffer: by functions that need no window, so that whatever the person
" types elsewhere stays as it is.

" By buffer: the turn's id, how much of its answer is there (in characters), the line of its stop line, and the
" tick of our last change.
let s:written = {}
" By buffer: what to do when a part that is missing has come.
let s:missing = {}

let s:STOP = '<!-- kv stop \zs\w\+\ze -->'
" Lines that are read at once in search of the stop line, which stands near the end.
let s:STEP = 50

" Line and turn of the last stop line, [0, ''] without one.
function! s:stop(buffer, lines) abort
  for l:last in range(a:lines, 1, -s:STEP)
    let l:first = max([1, l:last - s:STEP + 1])
    let l:block = getbufline(a:buffer, l:first, l:last)
    for l:index in range(len(l:block) - 1, 0, -1)
      let l:turn = matchstr(l:block[l:index], s:STOP)
      if l:turn !=# ''
        return [l:first + l:index, l:turn]
      endif
    endfor
  endfor
  return [0, '']
endfunction

function! s:lines(buffer) abort
  return getbufinfo(a:buffer)[0].linecount
endfunction

" The answer that is being written, {} without a place for it. A long one is searched for once: as long as nobody
" else changes the buffer, it is where we left it.
function! s:answering(buffer) abort
  let l:state = get(s:written, a:buffer, {})
  if !empty(l:state) && l:state.tick == getbufvar(a:buffer, 'changedtick')
    return l:state
  endif
  let [l:stop, l:turn] = s:stop(a:buffer, s:lines(a:buffer))
  let l:heading = l:stop ? index(getbufline(a:buffer, 1, l:stop), '## Kvasir <!-- kv ' . l:turn . ' -->') + 1 : 0
  if !l:heading
    return {}
  endif
  if empty(l:state) || l:state.turn !=# l:turn
    let l:text = join(getbufline(a:buffer, l:heading + 2, max([l:heading + 1, l:stop - 2])), "\n")
    let l:state = {'turn': l:turn, 'at': strchars(l:text), 'tick': -1}
    let s:written[a:buffer] = l:state
  endif
  return extend(l:state, {'heading': l:heading, 'stop': l:stop})
endfunction

" Whether the person types in this window.
function! s:types_in(window) abort
  return a:window == win_getid() && mode() !=# 'n'
endfunction

" Windows that follow the answer: those at the end, and at its beginning all others, too.
function! s:followers(buffer, begins) abort
  let l:last = s:lines(a:buffer)
  return filter(win_findbuf(a:buffer), '!s:types_in(v:val) && (a:begins || line(".", v:val) == l:last)')
endfunction

" Change the buffer by ``Edit``: one answer is one step of undo, and windows that follow stay at the end.
function! s:change(buffer, state, Edit) abort
  let l:followers = s:followers(a:buffer, a:state.tick < 0)
  let l:windows = win_findbuf(a:buffer)
  if a:state.tick == getbufvar(a:buffer, 'changedtick') && !empty(l:windows)
    call win_execute(l:windows[0], 'silent! undojoin')
  endif
  let l:options = {}
  for [l:name, l:value] in [['&modifiable', 1], ['&readonly', 0]]
    let l:options[l:name] = getbufvar(a:buffer, l:name)
    call setbufvar(a:buffer, l:name, l:value)
  endfor
  call a:Edit()
  for [l:name, l:value] in items(l:options)
    call setbufvar(a:buffer, l:name, l:value)
  endfor
  let a:state.tick = getbufvar(a:buffer, 'changedtick')
  for l:window in l:followers
    call kvasir#window#to_end(l:window)
  endfor
endfunction

" Put lines in the place of those from ``first`` to ``last``.
function! s:replace(buffer, first, last, lines) abort
  silent call appendbufline(a:buffer, a:last, a:lines)
  if a:first <= a:last
    silent call deletebufline(a:buffer, a:first, a:last)
  endif
endfunction

" The answer goes on at the end of the second line above the stop line, of the first if the blank one between
" was taken away.
function! s:append(buffer, state, text) abort
  let l:parts = split(a:text, "\n", 1)
  let l:above = getbufline(a:buffer, a:state.stop - 2, a:state.stop - 1)
  let l:end = a:state.stop - (l:above[1] ==# '' ? 2 : 1)
  if l:end <= a:state.heading
    silent call appendbufline(a:buffer, l:end, [''] + l:parts)
    let a:state.stop += len(l:parts) + 1
    return
  endif
  let l:line = l:end == a:state.stop - 2 ? l:above[0] : l:above[1]
  silent call setbufline(a:buffer, l:end, l:line . l:parts[0])
  if len(l:parts) > 1
    silent call appendbufline(a:buffer, l:end, l:parts[1:])
  endif
  let a:state.stop += len(l:parts) - 1
endfunction

" What is finished belongs on the disk, and the server wants to know it.
function! s:close(buffer, state, text) abort
  let l:lines = split(substitute(a:text, "\n$", '', ''), "\n", 1)
  call s:change(a:buffer, a:state, {-> s:replace(a:buffer, a:state.stop, a:state.stop, l:lines)})
  call kvasir#answer#forget(a:buffer)
  call kvasir#chat#write(a:buffer)
  call kvasir#client#flush(a:buffer)
endfunction

" Text of an answer; a "mark" takes the place of the stop line. ``at`` tells where in the answer the text begins:
" a part of it, or all, may be here already.
function! kvasir#answer#delta(params) abort
  if a:params.seq == 1
    call kvasir#window#show(a:params.path)
  endif
  let l:buffer = kvasir#chat#buffer(a:params.path)
  " Without a buffer the server writes the file; without a stop line, which the person deleted, it stops.
  let l:state = l:buffer ? s:answering(l:buffer) : {}
  if empty(l:state)
    return
  endif
  if a:params.at > l:state.at
    return s:ask_for_missing(l:buffer, l:state, a:params)
  endif
  if a:params.kind ==# 'mark'
    return s:close(l:buffer, l:state, a:params.text)
  endif
  let l:text = strcharpart(a:params.text, l:state.at - a:params.at)
  if l:text !=# ''
    let l:state.at += strchars(l:text)
    call s:change(l:buffer, l:state, {-> s:append(l:buffer, l:state, l:text)})
  endif
endfunction

" The document was read again while the answer streamed: vim-lsp does not tell that, so the server cannot know.
function! s:ask_for_missing(buffer, state, params) abort
  let l:asked = has_key(s:missing, a:buffer)
  let s:missing[a:buffer] = a:params
  if !l:asked
    call kvasir#client#request('kvasir/turnText', {'session': a:params.session, 'turn': a:params.turn, 'fromSeq': 0},
      \ {error, result -> s:complete(a:buffer, a:state.turn, error ==# '' ? result.text : '')})
  endif
endfunction

function! s:complete(buffer, turn, text) abort
  let l:waiting = remove(s:missing, a:buffer)
  let l:state = bufloaded(a:buffer) ? s:answering(a:buffer) : {}
  if empty(l:state) || l:state.turn !=# a:turn || a:text ==# ''
    return
  endif
  call kvasir#answer#delta(extend({'at': 0, 'seq': 0, 'kind': 'answer', 'text': a:text}, l:waiting, 'keep'))
  if l:waiting.at <= l:state.at
    call kvasir#answer#delta(l:waiting)
  endif
endfunction

" What an answer is doing. When it is queued the server has put its place into the document: into the file, where
" the client takes no edits.
function! kvasir#answer#state(state) abort
  let l:buffer = a:state.phase ==# 'queued' ? kvasir#chat#buffer_of(a:state.session) : 0
  if l:buffer
    call s:read(l:buffer)
  endif
endfunction

" Take over what the server has written into the file of a chat that is shown: the place for an answer.
function! s:read(buffer) abort
  let l:path = fnamemodify(bufname(a:buffer), ':p')
  let l:new = filereadable(l:path) ? readfile(l:path) : []
  if getbufvar(a:buffer, '&fileformat') ==# 'dos'
    call map(l:new, 'substitute(v:val, "\r$", "", "")')
  endif
  if match(l:new, s:STOP) < 0 || s:stop(a:buffer, s:lines(a:buffer))[0]
    return
  endif
  if getbufvar(a:buffer, '&modified')
    return kvasir#message#complain('this chat has changes that are not saved: its answer is shown after :write')
  endif
  let l:old = getbufline(a:buffer, 1, '$')
  let l:same = 0
  while l:same < min([len(l:old), len(l:new)]) && l:old[l:same] ==# l:new[l:same]
    let l:same += 1
  endwhile
  call kvasir#answer#forget(a:buffer)
  call s:change(a:buffer, {'tick': -1}, {-> s:replace(a:buffer, l:same + 1, len(l:old), l:new[l:same :])})
  call kvasir#chat#write(a:buffer)
  call kvasir#client#flush(a:buffer)
endfunction

" A value for |v:fcs_choice|: Kvasir writes its documents, too, which is no reason to ask the person. What is missing
" of an answer comes by itself.
function! kvasir#answer#file_changed(buffer) abort
  if !kvasir#chat#is(a:buffer)
    return 'ask'
  endif
  let l:stays = getbufvar(a:buffer, '&modified') || v:fcs_reason ==# 'deleted' || s:stop(a:buffer, s:lines(a:buffer))[0]
  return l:stays ? '' : 'reload'
endfunction

" The document was read, or its answer is complete: it has what it has.
function! kvasir#answer#forget(buffer) abort
  if has_key(s:written, a:buffer)
    call remove(s:written, a:buffer)
  endif
endfunction

function! kvasir#answer#is_streaming(buffer) abort
  return has_key(s:written, a:buffer)
endfunction

" Nobody writes any more: what has come is kept on the disk, where the next server looks.
function! kvasir#answer#abandon() abort
  for l:buffer in map(keys(s:written), 'str2nr(v:val)')
    call kvasir#answer#forget(l:buffer)
    if bufloaded(l:buffer)
      call kvasir#chat#write(l:buffer)
    endif
  endfor
endfunction
