/*
 * switch_x86_64.S - ed_switch() and ed_switch_prepare()'s trampoline for the
 * System V ABI of x86-64.
 *
 * A stack that was left holds, from its saved pointer up: r15 r14 r13 r12 rbx
 * rbp and the address to go on at.
 */
#if defined(__x86_64__)

        /* A signal may come between any two instructions, and its handler
         * unwind the stack: the tables follow each. The two stacks of a switch
         * look alike where it goes from one to the other. */
        .macro  save register
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endm

        .macro  restore register
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endm

        .macro  save_registers
        save    rbp
        save    rbx
        save    r12
        save    r13
        save    r14
        save    r15
        .endm

        .macro  restore_registers
        restore r15
        restore r14
        restore r13
        restore r12
        restore rbx
        restore rbp
        .endm

        .text
        .globl  ed_switch
        .hidden ed_switch
        .type   ed_switch, @function
        .balign 64
ed_switch:
        .cfi_startproc
        endbr64
        save_registers
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        restore_registers
        /* A jump, not a return: the processor would predict a return to where
         * this call came from, which is never right, and lose 15 cycles. */
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmpq    *%rcx
        .cfi_endproc
        .size   ed_switch, .-ed_switch

        /* A switch to a stack that is new, or whose entry has returned, arrives
         * here; r12 is the entry and r13 its argument. The undefined return
         * address ends every backtrace. */
        .globl  ed_switch_start
        .hidden ed_switch_start
        .type   ed_switch_start, @function
        .balign 16
ed_switch_start:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        xorl    %ebp, %ebp
        movq    %r13, %rdi
        callq   *%r12
        /* In rax where to save this stack, to start over, in rdx the other. */
        leaq    ed_switch_start(%rip), %rcx
        pushq   %rcx
        .cfi_adjust_cfa_offset 8
        save_registers
        movq    %rsp, (%rax)
        movq    %rdx, %rsp
        restore_registers
        ret
        .cfi_endproc
        .size   ed_switch_start, .-ed_switch_start

        /* To the unwinder this function's caller is the code that left the
         * stack in rdi: its frame ends, and its registers lie, where ed_switch
         * put them. rbx holds that pointer meanwhile. */
        .globl  ed_switch_look
        .hidden ed_switch_look
        .type   ed_switch_look, @function
        .balign 16
ed_switch_look:
        .cfi_startproc
        endbr64
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        movq    %rdi, %rbx
        .cfi_def_cfa rbx, 56
        .cfi_offset r15, -56
        .cfi_offset r14, -48
        .cfi_offset r13, -40
        .cfi_offset r12, -32
        .cfi_offset rbx, -24
        .cfi_offset rbp, -16
        .cfi_offset rip, -8
        movq    %rsi, %rax
        movq    %rdx, %rdi
        callq   *%rax
        movq    48(%rbx), %rax
        popq    %rbx
        .cfi_def_cfa rsp, 8
        .cfi_restore r15
        .cfi_restore r14
        .cfi_restore r13
        .cfi_restore r12
        .cfi_restore rbx
        .cfi_restore rbp
        .cfi_restore rip
        ret
        .cfi_endproc
        .size   ed_switch_look, .-ed_switch_look

#endif

        .section .note.GNU-stack, "", %progbits
