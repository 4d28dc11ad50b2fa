" Windows that show chats: beside the code, and the person stays where they type.

let s:WIDE = 160
let s:RETRY_MS = 50
" A pause of so many times what the last redraw took.
let s:PAUSES = 4
let s:following = -1
let s:shown = reltime()
let s:pause = 0.0
" Windows whose end is to be shown.
let s:behind = {}

" Bring a chat to the screen. Another chat on this page makes room, unless the person types there.
function! kvasir#window#show(path) abort
  if kvasir#chat#buffer(a:path) && !empty(win_findbuf(bufadd(a:path)))
    return
  endif
  " A window made now would end a selection or a command line; Vim refuses while it completes a word.
  if mode() !~# '^[niR]' || getcmdwintype() !=# ''
    return s:later(a:path)
  endif
  try
    call s:open(s:load(a:path))
  catch /^Vim\%((\a\+)\)\?:E\%(523\|565\|788\|1159\):/
    call s:later(a:path)
  endtry
endfunction

function! s:later(path) abort
  call timer_start(s:RETRY_MS, {_ -> kvasir#window#show(a:path)})
endfunction

" Read a file, without a question about a swap file: another Vim may show the chat, too.
function! s:load(path) abort
  let l:shortmess = &shortmess
  set shortmess+=A
  try
    let l:buffer = bufadd(a:path)
    call setbufvar(l:buffer, '&buflisted', 1)
    silent call bufload(l:buffer)
  finally
    let &shortmess = l:shortmess
  endtry
  return l:buffer
endfunction

function! s:open(buffer) abort
  let l:here = win_getid()
  let l:window = s:of_another_chat(l:here)
  let l:ignored = &eventignore
  " Nobody goes anywhere. Not all events: without FileChangedShell, Vim would ask what to do about a file that the
  " server has gone on writing.
  set eventignore=BufEnter,BufLeave,BufHidden,BufWinEnter,BufWinLeave,WinEnter,WinLeave,WinNew
  try
    if l:window
      call win_execute(l:window, 'silent keepalt buffer! ' . a:buffer)
    else
      execute 'silent keepalt botright' &columns >= s:WIDE ? 'vertical' : '' 'sbuffer' a:buffer
      let l:window = win_getid()
      call win_gotoid(l:here)
    endif
  finally
    let &eventignore = l:ignored
  endtry
  call win_execute(l:window, 'call kvasir#window#dress()')
  call kvasir#window#to_end(l:window)
endfunction

" Show the end of a chat: its cursor goes there now, and what is seen follows at once unless that was slow.
function! kvasir#window#to_end(window) abort
  call win_execute(a:window, 'noautocmd call cursor(line("$"), 1)')
  let s:behind[a:window] = 1
  let l:wait = s:pause - reltimefloat(reltime(s:shown))
  if !empty(timer_info(s:following))
    return
  elseif l:wait <= 0
    call s:follow()
  else
    let s:following = timer_start(float2nr(1000 * l:wait) + 1, {_ -> s:follow()})
  endif
endfunction

" A redraw finds the end also within a paragraph that is higher than the window; a command line that is being typed
" would not survive it on the screen. Vim needs long for very long lines: the person is to have most of the time.
function! s:follow() abort
  if mode() !~# '^[niR]'
    let s:following = timer_start(s:RETRY_MS, {_ -> s:follow()})
    return
  endif
  let l:start = reltime()
  for l:window in filter(map(keys(s:behind), 'str2nr(v:val)'), 'win_id2win(v:val)')
    call win_execute(l:window, 'redraw')
  endfor
  let s:behind = {}
  let s:shown = reltime()
  let s:pause = s:PAUSES * reltimefloat(reltime(l:start, s:shown))
endfunction

function! s:of_another_chat(here) abort
  let l:windows = map(range(1, winnr('$')), 'win_getid(v:val)')
  let l:chats = filter(l:windows, 'kvasir#chat#is(winbufnr(v:val)) && !(v:val == a:here && mode() !=# "n")')
  return get(l:chats, 0, 0)
endfunction

" Long lines are paragraphs here.
function! kvasir#window#dress() abort
  if kvasir#chat#is(bufnr('%'))
    setlocal wrap linebreak conceallevel=2
    if exists('+smoothscroll')
      setlocal smoothscroll
    endif
  endif
endfunction

" Nobody wants to read the ids of turns.
function! kvasir#window#conceal() abort
  if kvasir#chat#is(bufnr('%'))
    syntax match kvasirMark /\s*<!-- kv [^>]*-->$/ conceal containedin=ALL
  endif
endfunction
