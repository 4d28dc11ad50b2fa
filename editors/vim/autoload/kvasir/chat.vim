" Chat documents as buffers: which they are, and what their text says.

" The loaded buffer of a file, or 0. Not by bufnr(), which takes a path for a pattern.
function! kvasir#chat#buffer(path) abort
  let l:buffer = bufexists(a:path) ? bufadd(a:path) : 0
  return l:buffer && bufloaded(l:buffer) ? l:buffer : 0
endfunction

" Whether a buffer shows a chat.
function! kvasir#chat#is(buffer) abort
  let l:front = getbufline(a:buffer, 1, 2)
  return len(l:front) == 2 && l:front[0] ==# '---' && l:front[1] =~# '^kvasir:'
endfunction

" The id of the chat that a buffer shows, or ''.
function! kvasir#chat#id(buffer) abort
  let l:named = kvasir#chat#is(a:buffer) ? filter(getbufline(a:buffer, 1, 12), 'v:val =~# "^chat:"') : []
  return empty(l:named) ? '' : matchstr(l:named[0], '^chat:\s*\zs\w\+')
endfunction

" The buffers that show chats.
function! kvasir#chat#all() abort
  return map(filter(getbufinfo({'bufloaded': 1}), 'kvasir#chat#is(v:val.bufnr)'), 'v:val.bufnr')
endfunction

function! kvasir#chat#buffer_of(session) abort
  return get(filter(kvasir#chat#all(), 'kvasir#chat#id(v:val) ==# a:session'), 0, 0)
endfunction

" Number of the turn under the cursor.
function! kvasir#chat#turn() abort
  return len(filter(getline(1, '.'), 'v:val =~# "^## You <!-- kv \\w\\+ -->"'))
endfunction

" Let the file say what the buffer says, so that the server may write there. Without autocommands: this is no
" saving that sends.
function! kvasir#chat#write(buffer) abort
  let l:path = fnamemodify(bufname(a:buffer), ':p')
  let l:aside = l:path . '~'
  " The server writes this file, too, and about a file that is newer than the buffer even ":write!" asks.
  let l:moved = rename(l:path, l:aside) == 0
  let l:readonly = getbufvar(a:buffer, '&readonly')
  call s:in_its_window(a:buffer, 'silent! noautocmd keepalt write!')
  call setbufvar(a:buffer, '&readonly', l:readonly)
  if l:moved
    call call(filereadable(l:path) ? 'delete' : 'rename', filereadable(l:path) ? [l:aside] : [l:aside, l:path])
  endif
endfunction

function! s:in_its_window(buffer, command) abort
  let l:windows = win_findbuf(a:buffer)
  if !empty(l:windows)
    call win_execute(l:windows[0], a:command)
    return
  endif
  let l:popup = popup_create(a:buffer, {'hidden': 1})
  call win_execute(l:popup, a:command)
  call popup_close(l:popup)
endfunction
