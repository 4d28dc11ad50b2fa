" See plugin/lsp.vim. One server, spoken to by Vim's own channel for language servers.

let s:server = {}
let s:job = v:null
let s:result = {}
let s:open = {}
let s:waiting = []
let s:notified = []
let s:commands = {}
let s:status = 'not running'

function! lsp#enable() abort
  doautocmd <nomodeline> User lsp_setup
  augroup stand_in
    autocmd BufNewFile,BufReadPost * call lsp#activate()
    autocmd BufWritePost * call s:saved(bufnr('%'))
    autocmd BufDelete,BufWipeout * call s:closed(str2nr(expand('<abuf>')))
    autocmd InsertLeave,TextChanged * call timer_start(1000, {_ -> s:told_if_running()})
  augroup END
  call lsp#activate()
endfunction

function! lsp#register_server(server) abort
  let s:server = a:server
endfunction

function! lsp#register_notifications(name, callback) abort
  call add(s:notified, a:callback)
endfunction

function! lsp#register_command(name, callback) abort
  let s:commands[a:name] = a:callback
endfunction

function! lsp#get_server_status(name) abort
  return s:status
endfunction

function! lsp#get_server_capabilities(name) abort
  return s:result.capabilities
endfunction

function! lsp#activate() abort
  call s:when_ready({-> s:told(bufnr('%'))})
endfunction

function! lsp#ensure_flush_all(buffer, names) abort
  call s:when_ready({-> s:told(a:buffer)})
endfunction

function! lsp#stop_server(name) abort
  call job_stop(s:job)
endfunction

function! lsp#send_request(name, request) abort
  call s:when_ready({-> s:send(a:request)})
endfunction

" As a code action does that is chosen in the menu.
function! lsp#execute(command, arguments) abort
  call s:commands[a:command]({'command': {'command': a:command, 'arguments': a:arguments}})
endfunction

function! s:send(request) abort
  call s:told(a:request.bufnr)
  call ch_sendexpr(s:job, {'method': a:request.method, 'params': a:request.params},
    \ {'callback': {_, response -> a:request.on_notification({'response': response})}})
endfunction

function! s:when_ready(Do) abort
  if s:status ==# 'running'
    return a:Do()
  endif
  if s:status !=# 'starting' && !s:start()
    return
  endif
  call add(s:waiting, a:Do)
endfunction

function! s:start() abort
  let l:command = empty(s:server) ? [] : s:server.cmd(s:server)
  if empty(l:command)
    return 0
  endif
  let s:status = 'starting'
  let s:job = job_start(l:command, {'in_mode': 'lsp', 'out_mode': 'lsp', 'noblock': 1,
    \ 'out_cb': {_, message -> s:heard(message)}, 'exit_cb': {job, code -> s:ended(job)}})
  let l:profile = json_decode(join(readfile(g:stand_in_profile), ''))
  let l:root = s:server.root_uri(s:server)
  call ch_sendexpr(s:job, {'method': 'initialize', 'params': {'processId': getpid(), 'rootUri': l:root,
    \ 'clientInfo': l:profile.clientInfo, 'capabilities': l:profile.capabilities, 'trace': 'off',
    \ 'initializationOptions': s:server.initialization_options}}, {'callback': {_, response -> s:met(response)}})
  return 1
endfunction

function! s:notify(method, params) abort
  call ch_sendexpr(s:job, {'method': a:method, 'params': a:params})
endfunction

function! s:met(response) abort
  let [s:result, s:status] = [a:response.result, 'running']
  call s:notify('initialized', {})
  let [l:waiting, s:waiting] = [s:waiting, []]
  for l:Do in l:waiting
    call l:Do()
  endfor
  doautocmd <nomodeline> User lsp_server_init
endfunction

function! s:heard(message) abort
  if has_key(a:message, 'id')
    " Any other is left without an answer, and the channel itself answers only ids that are numbers.
    if a:message.method ==# 'workspace/configuration'
      call s:answer(a:message.id, map(copy(a:message.params.items), 'v:null'))
    endif
    return
  endif
  if a:message.method ==# 'window/showMessage'
    echomsg 'kvasir:' a:message.params.message
  endif
  for l:Callback in s:notified
    call l:Callback('kvasir', {'response': a:message})
  endfor
endfunction

function! s:answer(id, result) abort
  let l:body = json_encode({'jsonrpc': '2.0', 'id': a:id, 'result': a:result})
  call ch_sendraw(s:job, printf("Content-Length: %d\r\n\r\n%s", strlen(l:body), l:body))
endfunction

function! s:ended(job) abort
  if a:job is s:job
    let [s:status, s:open, s:waiting] = ['exited', {}, []]
    doautocmd <nomodeline> User lsp_server_exit
  endif
endfunction

function! s:uri(buffer) abort
  return lsp#utils#path_to_uri(fnamemodify(bufname(a:buffer), ':p'))
endfunction

function! s:text(buffer) abort
  return join(getbufline(a:buffer, 1, '$'), "\n") . "\n"
endfunction

function! s:told(buffer) abort
  if getbufvar(a:buffer, '&buftype') !=# '' || bufname(a:buffer) ==# '' || !bufloaded(a:buffer)
    return
  endif
  let [l:uri, l:tick] = [s:uri(a:buffer), getbufvar(a:buffer, 'changedtick')]
  if !has_key(s:open, l:uri)
    let s:open[l:uri] = {'tick': l:tick, 'version': 1}
    call s:notify('textDocument/didOpen', {'textDocument': {'uri': l:uri, 'version': 1,
      \ 'languageId': getbufvar(a:buffer, '&filetype'), 'text': s:text(a:buffer)}})
  elseif s:open[l:uri].tick != l:tick
    let s:open[l:uri] = {'tick': l:tick, 'version': s:open[l:uri].version + 1}
    call s:notify('textDocument/didChange', {'textDocument': {'uri': l:uri, 'version': s:open[l:uri].version},
      \ 'contentChanges': [{'text': s:text(a:buffer)}]})
  endif
endfunction

function! s:told_if_running() abort
  if s:status ==# 'running'
    call s:told(bufnr('%'))
  endif
endfunction

function! s:saved(buffer) abort
  call s:when_ready({-> s:told(a:buffer)})
  call s:when_ready({-> s:notify('textDocument/didSave', {'textDocument': {'uri': s:uri(a:buffer)}})})
endfunction

function! s:closed(buffer) abort
  let l:uri = s:uri(a:buffer)
  if has_key(s:open, l:uri) && s:status ==# 'running'
    call remove(s:open, l:uri)
    call s:notify('textDocument/didClose', {'textDocument': {'uri': l:uri}})
  endif
endfunction
