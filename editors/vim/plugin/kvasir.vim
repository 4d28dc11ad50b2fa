" Kvasir in Vim: commands, keys to map, and when which part of autoload/kvasir is called.
if exists('g:loaded_kvasir')
  finish
endif
let g:loaded_kvasir = 1
if has('nvim') || !has('patch-8.2.0')
  echomsg 'Kvasir: this plug-in needs Vim 8.2 or newer; editors/neovim is the one for Neovim.'
  finish
endif

command! -nargs=+ -range -complete=customlist,kvasir#complete#subcommand Kvasir
  \ call kvasir#command#run(<q-args>, <range>, <line1>, <line2>)

" The short names, unless somebody else has them: known when all is loaded.
function! s:short_names() abort
  if exists(':Q') != 2
    command -nargs=* -range -complete=customlist,kvasir#complete#question Q
      \ call kvasir#command#q(<q-args>, <range>, <line1>, <line2>)
  endif
  if exists(':QQ') != 2
    command -nargs=* -range -complete=customlist,kvasir#complete#question QQ
      \ call kvasir#command#qq(<q-args>, <range>, <line1>, <line2>)
  endif
  if exists(':QF') != 2
    command -nargs=* -count=0 -complete=customlist,kvasir#complete#question QF
      \ call kvasir#command#qf(<q-args>, <count>)
  endif
endfunction

for s:name in ['ask', 'warmup', 'context']
  execute printf('nnoremap <silent> <Plug>(kvasir-%s) :Kvasir %s<CR>', s:name, s:name)
  execute printf('xnoremap <silent> <Plug>(kvasir-%s) :Kvasir %s<CR>', s:name, s:name)
endfor
for s:name in ['fork', 'retry', 'send', 'cancel', 'open', 'chats', 'model', 'status']
  execute printf('nnoremap <silent> <Plug>(kvasir-%s) :<C-U>Kvasir %s<CR>', s:name, s:name)
endfor
unlet s:name

augroup kvasir
  autocmd!
  autocmd User lsp_setup call kvasir#client#offer('vimlsp')
  autocmd User lsp_server_init call kvasir#vimlsp#met()
  autocmd User lsp_server_exit call kvasir#vimlsp#ended()
  autocmd User CocNvimInit call kvasir#client#offer('coc')
  autocmd User AirlineAfterInit call kvasir#status#airline()
  if exists('##ModeChanged')
    autocmd ModeChanged * call kvasir#warm#selected()
  endif
  autocmd CursorMoved * call kvasir#warm#selected()
  autocmd CmdlineChanged : call kvasir#warm#typed()
  autocmd CmdlineChanged @ call kvasir#warm#typed_at_prompt()
  autocmd BufReadPost *.md call kvasir#answer#forget(str2nr(expand('<abuf>')))
  autocmd BufWinEnter *.md call kvasir#window#dress()
  autocmd Syntax markdown call kvasir#window#conceal()
  autocmd FileChangedShell *.md let v:fcs_choice = kvasir#answer#file_changed(str2nr(expand('<abuf>')))
augroup END

function! s:begin() abort
  call s:short_names()
  call kvasir#client#begin()
endfunction

if v:vim_did_enter
  call s:begin()
else
  autocmd kvasir VimEnter * call s:begin()
endif
