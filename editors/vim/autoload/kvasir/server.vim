" The program that an LSP client is to start, and what it is told about this plug-in.

let s:PROTOCOL = 1
let s:missing_told = 0

" The words that start the server, or an empty list when the program is not there: said once.
function! kvasir#server#command() abort
  let l:words = get(g:, 'kvasir_command', ['kvasir'])
  if !executable(l:words[0])
    if !s:missing_told
      call kvasir#message#complain(kvasir#server#missing())
    endif
    let s:missing_told = 1
    return []
  endif
  return l:words + ['lsp']
endfunction

" Why nothing can be asked, or '' when the program is there.
function! kvasir#server#missing() abort
  let l:program = get(g:, 'kvasir_command', ['kvasir'])[0]
  return executable(l:program) ? '' : printf('there is no program "%s" on the PATH: install Kvasir, '
    \ . 'or set g:kvasir_command. See :help kvasir-install', l:program)
endfunction

function! kvasir#server#options() abort
  let l:client = {'name': 'kvasir.vim', 'version': '0.1.0', 'protocol': s:PROTOCOL,
    \ 'features': ['delta', 'state', 'selection', 'open']}
  return {'kvasir': {'client': l:client, 'settings': get(g:, 'kvasir_settings', {})}}
endfunction

" Complain unless the server speaks our protocol. The other direction is the server's to tell.
function! kvasir#server#met(capabilities) abort
  let l:experimental = get(a:capabilities, 'experimental', v:null)
  let l:said = type(l:experimental) == v:t_dict ? get(l:experimental, 'kvasir', {}) : {}
  if get(l:said, 'protocol', 0) < s:PROTOCOL
    call kvasir#message#complain('this Kvasir is too old for the plug-in: update it')
  endif
endfunction
