" The LSP client that carries it all: vim-lsp or coc.nvim, whichever is there. Each has a module with the functions
" ready, register, running, request, flush and restart.

let s:name = ''

" Whether a client was lent to us, or will be.
function! s:wanted() abort
  if has_key(g:, 'kvasir_client')
    return g:kvasir_client ==# 'coc' ? 'coc' : 'vimlsp'
  endif
  return exists('g:lsp_loaded') ? 'vimlsp' : exists('g:did_coc_loaded') ? 'coc' : ''
endfunction

" A client is ready to take servers.
function! kvasir#client#offer(name) abort
  if s:name ==# '' && s:wanted() ==# a:name
    let s:name = a:name
    call kvasir#{a:name}#register()
  endif
endfunction

" Vim has started: a client may be ready already, if this plug-in was loaded late.
function! kvasir#client#begin() abort
  let l:wanted = s:wanted()
  if l:wanted !=# '' && kvasir#server#missing() !=# ''
    call kvasir#server#command()
  elseif l:wanted !=# '' && kvasir#{l:wanted}#ready()
    call kvasir#client#offer(l:wanted)
  endif
endfunction

" What keeps us from asking the server anything, or ''.
function! s:obstacle() abort
  if kvasir#server#missing() !=# ''
    return kvasir#server#missing()
  endif
  return s:name ==# '' ? 'it needs the plug-in vim-lsp or coc.nvim, and neither is loaded. See :help kvasir-install' : ''
endfunction

" Send a request; ``Then(error, result)`` gets the reply, error is a sentence or ''.
function! kvasir#client#request(method, params, Then) abort
  let l:obstacle = s:obstacle()
  if l:obstacle !=# ''
    return a:Then(l:obstacle, {})
  endif
  call kvasir#{s:name}#request(a:method, a:params, a:Then)
endfunction

" Send what nobody waits for, once there is somebody to send it to. As a request, which vim-lsp lets wait for
" changes of the text that it has not told yet.
function! kvasir#client#notify(method, params) abort
  if s:name !=# '' && kvasir#{s:name}#running()
    call kvasir#{s:name}#request(a:method, a:params, {error, result -> 0})
  endif
endfunction

" The result of a command, waited for: only where the person waits, too. Empty if it does not come in time.
function! kvasir#client#reply(command, arguments, milliseconds) abort
  let l:box = {}
  if s:name ==# '' || !kvasir#{s:name}#running()
    return {}
  endif
  call kvasir#client#request('workspace/executeCommand', {'command': a:command, 'arguments': a:arguments},
    \ {error, result -> extend(l:box, {'result': result})})
  let l:start = reltime()
  while empty(l:box) && reltimefloat(reltime(l:start)) * 1000 < a:milliseconds
    sleep 5m
  endwhile
  let l:result = get(l:box, 'result', {})
  return type(l:result) == v:t_dict ? l:result : {}
endfunction

" Tell the server how a buffer looks now.
function! kvasir#client#flush(buffer) abort
  if s:name !=# '' && kvasir#{s:name}#running()
    call kvasir#{s:name}#flush(a:buffer)
  endif
endfunction

function! kvasir#client#restart() abort
  let l:obstacle = s:obstacle()
  if l:obstacle !=# ''
    return kvasir#message#complain(l:obstacle)
  endif
  call kvasir#answer#abandon()
  call kvasir#status#clear()
  call kvasir#{s:name}#restart()
endfunction

" What the server tells without being asked.
function! kvasir#client#told(method, params) abort
  try
    if a:method ==# 'kvasir/delta'
      call kvasir#answer#delta(a:params)
    elseif a:method ==# 'kvasir/state'
      call kvasir#status#set(a:params)
      call kvasir#answer#state(a:params)
    endif
  catch
    " Else the client would show it with its own stack, at every piece of the answer.
    call kvasir#message#complain(v:exception . ' (' . v:throwpoint . ')')
  endtry
endfunction
