;;; kvasir-autoloads.el --- Kvasir's commands, loaded when they are used  -*- lexical-binding: t -*-

;;; Code:

(add-to-list 'load-path (file-name-directory (or load-file-name buffer-file-name)))

(dolist (command '(kvasir-ask kvasir-preset kvasir-warmup kvasir-fork kvasir-retry kvasir-send
                   kvasir-cancel kvasir-model kvasir-open kvasir-chat-mode))
  (autoload command "kvasir" nil t))
(autoload 'kvasir-map "kvasir" nil nil 'keymap)

(add-to-list 'auto-mode-alist '("/\\.kvasir/chat/[^/]+\\.md\\'" . kvasir-chat-mode))

;; A key of the person's own wins.
(unless (lookup-key global-map (kbd "C-c k"))
  (keymap-global-set "C-c k" 'kvasir-map))

;;; kvasir-autoloads.el ends here
