" coc.nvim as the client.

" coc has read its settings: a "languageserver.kvasir" in coc-settings.json is the person's, and stays.
function! kvasir#coc#register() abort
  call CocRegisterNotification('kvasir', 'kvasir/delta', {params -> kvasir#client#told('kvasir/delta', params)})
  call CocRegisterNotification('kvasir', 'kvasir/state', {params -> kvasir#client#told('kvasir/state', params)})
  call CocActionAsync('getConfig', 'languageserver.kvasir', {error, own -> s:configure(own)})
endfunction

function! s:configure(own) abort
  if type(a:own) == v:t_dict && !empty(a:own)
    return
  endif
  let l:words = kvasir#server#command()
  if !empty(l:words)
    call coc#config('languageserver.kvasir', {'command': l:words[0], 'args': l:words[1:], 'filetypes': ['*'],
      \ 'rootPatterns': ['.git'], 'initializationOptions': kvasir#server#options()})
  endif
endfunction

" Loaded late: whoever was to hear of ``CocNvimInit`` has heard it.
function! kvasir#coc#ready() abort
  return get(g:, 'coc_service_initialized', 0)
endfunction

function! kvasir#coc#running() abort
  return get(g:, 'coc_service_initialized', 0)
endfunction

function! kvasir#coc#request(method, params, Then) abort
  call CocRequestAsync('kvasir', a:method, a:params, {error, result -> a:Then(s:sentence(error), result)})
endfunction

function! s:sentence(error) abort
  return type(a:error) == v:t_string ? substitute(a:error, '^\%(\w*Error: \)\+', '', '') : ''
endfunction

" coc looks at a buffer when its person changes it; of what we changed it would tell only after the next letter.
function! kvasir#coc#flush(buffer) abort
  for l:window in win_findbuf(a:buffer)[:0]
    call win_execute(l:window, 'silent! doautocmd <nomodeline> coc_nvim TextChanged')
  endfor
endfunction

" Once to stop it, if it runs, and once to start it.
function! kvasir#coc#restart() abort
  let l:running = filter(CocAction('services'), {_, it -> it.id ==# 'languageserver.kvasir' && it.state ==# 'running'})
  for l:_ in empty(l:running) ? [1] : [1, 2]
    call CocAction('toggleService', 'languageserver.kvasir')
  endfor
endfunction
