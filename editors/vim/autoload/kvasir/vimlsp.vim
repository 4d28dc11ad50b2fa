" vim-lsp as the client.

let s:restarting = 0
let s:ended_told = 0

function! kvasir#vimlsp#register() abort
  call lsp#register_server({'name': 'kvasir', 'cmd': {_ -> kvasir#server#command()}, 'allowlist': ['*'],
    \ 'root_uri': {_ -> s:root()}, 'initialization_options': kvasir#server#options()})
  call lsp#register_notifications('kvasir', function('s:notified'))
  " Its own way to execute a code action throws the reply away, which says where the chat is.
  for l:name in ['ask', 'fork', 'retry', 'send', 'cancel']
    call lsp#register_command('kvasir.' . l:name, function('s:execute'))
  endfor
endfunction

" Loaded late: whoever was to hear of ``lsp_setup`` has heard it.
function! kvasir#vimlsp#ready() abort
  return v:vim_did_enter && exists('*lsp#register_server')
endfunction

function! s:root() abort
  let l:marker = finddir('.git', expand('%:p:h') . ';')
  let l:root = l:marker ==# '' ? '' : fnamemodify(l:marker, ':p:h:h')
  return l:root ==# '' ? '' : lsp#utils#path_to_uri(l:root)
endfunction

function! kvasir#vimlsp#running() abort
  return lsp#get_server_status('kvasir') ==# 'running'
endfunction

" vim-lsp sends nothing from a buffer whose name looks like a URI, and would open a terminal as a document.
function! s:buffer() abort
  let l:all = [bufnr('%')] + map(getbufinfo({'bufloaded': 1}), 'v:val.bufnr')
  return get(filter(l:all, 's:is_ordinary(v:val)'), 0, bufnr('%'))
endfunction

function! s:is_ordinary(buffer) abort
  return getbufvar(a:buffer, '&buftype') ==# '' && bufname(a:buffer) !~# '^\a[[:alnum:]+.-]*:'
endfunction

function! kvasir#vimlsp#request(method, params, Then) abort
  call lsp#send_request('kvasir', {'method': a:method, 'params': a:params, 'bufnr': s:buffer(),
    \ 'on_notification': {data -> s:reply(data.response, a:Then)}})
endfunction

function! s:reply(response, Then) abort
  let l:error = get(a:response, 'error', {})
  call a:Then(empty(l:error) ? '' : l:error.message, get(a:response, 'result', {}))
endfunction

function! s:execute(context) abort
  call kvasir#command#execute(a:context.command.command, get(a:context.command, 'arguments', []))
endfunction

function! s:notified(server, data) abort
  if a:server ==# 'kvasir' && has_key(a:data.response, 'method')
    call kvasir#client#told(a:data.response.method, get(a:data.response, 'params', {}))
  endif
endfunction

function! kvasir#vimlsp#flush(buffer) abort
  call lsp#ensure_flush_all(a:buffer, ['kvasir'])
endfunction

function! kvasir#vimlsp#met() abort
  if kvasir#vimlsp#running() && !get(s:, 'was_met', 0)
    let s:was_met = 1
    call kvasir#server#met(lsp#get_server_capabilities('kvasir'))
  endif
endfunction

" Some server has ended.
function! kvasir#vimlsp#ended() abort
  if v:dying || !get(s:, 'was_met', 0) || lsp#get_server_status('kvasir') !=# 'exited'
    return
  endif
  let s:was_met = 0
  call kvasir#answer#abandon()
  call kvasir#status#clear()
  if s:restarting
    let s:restarting = 0
    " Not from within the news of its end: vim-lsp has not put it away yet.
    call timer_start(1, {_ -> lsp#activate()})
  else
    call kvasir#message#complain('its server has ended. ":Kvasir restart" starts it again')
  endif
endfunction

function! kvasir#vimlsp#restart() abort
  let s:restarting = kvasir#vimlsp#running()
  if s:restarting
    call lsp#stop_server('kvasir')
  else
    call lsp#activate()
  endif
endfunction
