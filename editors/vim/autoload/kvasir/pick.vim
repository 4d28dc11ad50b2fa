" Choose one of several, from a menu.

function! s:choose(title, lines, Chosen) abort
  if !has('popupwin')
    let l:rows = [a:title] + map(copy(a:lines), '(v:key + 1) . ". " . v:val')
    let l:number = inputlist(l:rows)
    return l:number > 0 && l:number <= len(a:lines) ? a:Chosen(l:number - 1) : 0
  endif
  call popup_menu(a:lines, {'title': ' ' . a:title . ' ', 'maxheight': &lines * 2 / 3,
    \ 'callback': {_, number -> number > 0 ? a:Chosen(number - 1) : 0}})
endfunction

" Choose among the chats that hold these words; ``Chosen`` gets the id.
function! kvasir#pick#chat(title, words, Chosen) abort
  let l:arguments = a:words ==# '' ? [] : [{'query': a:words}]
  call kvasir#command#send('chats', l:arguments, {reply -> s:chats(a:title, reply.sessions, a:Chosen)})
endfunction

function! s:row(chat) abort
  return printf('%s  %s · %d turns', strftime('%Y-%m-%d %H:%M', float2nr(a:chat.updated)), a:chat.title, a:chat.turns)
endfunction

function! s:chats(title, chats, Chosen) abort
  if empty(a:chats)
    return kvasir#message#tell('there is no such chat')
  endif
  call s:choose(a:title, map(copy(a:chats), 's:row(v:val)'), {index -> a:Chosen(a:chats[index].session)})
endfunction

" Choose a model; ``Chosen`` gets its name.
function! kvasir#pick#model(Chosen) abort
  call kvasir#command#send('model', [], {reply -> s:choose('Model', reply.models, {index -> a:Chosen(reply.models[index])})})
endfunction
