" See plugin/lsp.vim.

function! lsp#utils#path_to_uri(path) abort
  let l:bytes = map(range(strlen(a:path)), 'a:path[v:val]')
  return 'file://' . join(map(l:bytes, 'v:val =~# "[[:alnum:]/._~-]" ? v:val : printf("%%%02X", char2nr(v:val))'), '')
endfunction
