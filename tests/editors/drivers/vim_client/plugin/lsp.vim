" A stand-in for vim-lsp where that is not to be had: the functions of it that editors/vim calls, with its lazy
" ways (text is told with requests and when a file is read, saved or closed) and its capabilities.
let g:lsp_loaded = 1

augroup stand_in
  autocmd!
  autocmd User lsp_setup,lsp_server_init,lsp_server_exit silent
  autocmd VimEnter * call lsp#enable()
augroup END
