" What Kvasir is doing, for status lines.

" By chat: what its last kvasir/state said.
let s:states = {}
let s:latest = {}

function! s:share(state) abort
  return 100 * get(a:state, 'doneTokens', 0) / max([1, get(a:state, 'promptTokens', 1)])
endfunction

function! s:numbers(state) abort
  let l:known = []
  if has_key(a:state, 'cachedTokens') && has_key(a:state, 'promptTokens')
    let l:new = a:state.promptTokens - a:state.cachedTokens
    call add(l:known, printf('%d cached + %d new', a:state.cachedTokens, l:new))
  endif
  if a:state.job !=# 'warmup' && has_key(a:state, 'tps')
    call add(l:known, printf('%.0f tokens/s', a:state.tps))
  endif
  return join(l:known, ' · ')
endfunction

let s:WORDS = {
  \ 'queued': {state -> 'waiting'},
  \ 'loading': {state -> get(state, 'message', 'loading the model')},
  \ 'warming': {state -> printf('warming %d%%', s:share(state))},
  \ 'prefill': {state -> printf('reading %d%%', s:share(state))},
  \ 'generating': {state -> has_key(state, 'tps') ? printf('answering · %.0f tokens/s', state.tps) : 'answering'},
  \ 'done': {state -> 'ready · ' . s:numbers(state)},
  \ 'error': {state -> 'failed'},
  \ 'cancelled': {state -> 'stopped'},
  \ }

" A few words about the chat in the current window, else about what was done last.
function! kvasir#status#text() abort
  let l:state = get(s:states, kvasir#chat#id(bufnr('%')), s:latest)
  return has_key(s:WORDS, get(l:state, 'phase', '')) ? 'Kvasir: ' . s:WORDS[l:state.phase](l:state) : ''
endfunction

function! kvasir#status#set(state) abort
  let s:latest = a:state
  if get(a:state, 'session', '') !=# ''
    let s:states[a:state.session] = a:state
  endif
  call s:announce()
endfunction

" The server is gone, and what it was doing.
function! kvasir#status#clear() abort
  let [s:states, s:latest] = [{}, {}]
  call s:announce()
endfunction

function! s:announce() abort
  if exists('#User#KvasirState')
    doautocmd <nomodeline> User KvasirState
  endif
  " It would wipe a command line that is being typed off the screen.
  if mode() !~# '^c'
    redrawstatus!
  endif
endfunction

" What the last kvasir/state said, for configurations that want to say it in another way.
function! kvasir#status#latest() abort
  return copy(s:latest)
endfunction

" vim-airline is there: a part at the left of its section X.
function! kvasir#status#airline() abort
  call airline#parts#define_function('kvasir', 'kvasir#status')
  let g:airline_section_x = airline#section#create_right(['kvasir', get(g:, 'airline_section_x', '')])
endfunction

function! s:model(name, model) abort
  let l:line = printf('%s: %s, %d slots of %d tokens', a:name, a:model.url, len(a:model.slots), a:model.windowTokens)
  let l:of = a:model.counters
  return empty(l:of) ? [l:line] : [l:line, printf('  %d answers, %d cached + %d new tokens, %d misses',
    \ l:of.answers, l:of.cached_tokens, l:of.new_tokens, l:of.misses)]
endfunction

" Lines for :Kvasir status.
function! kvasir#status#lines(reply) abort
  let l:lines = kvasir#status#text() ==# '' ? [] : [kvasir#status#text()]
  for [l:name, l:model] in items(a:reply.models)
    let l:lines += s:model(l:name, l:model)
  endfor
  return empty(a:reply.models) ? l:lines + ['no model is loaded; the first question loads one'] : l:lines
endfunction
