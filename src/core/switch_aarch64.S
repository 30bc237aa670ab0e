/*
 * switch_aarch64.S - ed_switch() and ed_switch_prepare()'s trampoline for the
 * AAPCS64 of aarch64.
 *
 * A stack that was left holds 20 words from its saved pointer up: x19 to x28,
 * x29 (frame), x30 (where to go on), d8 to d15.
 */
#if defined(__aarch64__)

        /* A signal may come between any two instructions, and its handler
         * unwind the stack: the tables follow each. The two stacks of a switch
         * look alike where it goes from one to the other. */
        .macro  save one, other, at
        stp     \one, \other, [sp, #\at]
        .cfi_rel_offset \one, \at
        .cfi_rel_offset \other, \at + 8
        .endm

        .macro  restore one, other, at
        ldp     \one, \other, [sp, #\at]
        .cfi_restore \one
        .cfi_restore \other
        .endm

        .macro  save_registers next
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        save    x19, x20, 0
        save    x21, x22, 16
        save    x23, x24, 32
        save    x25, x26, 48
        save    x27, x28, 64
        stp     x29, \next, [sp, #80]
        .cfi_rel_offset x29, 80
        save    d8, d9, 96
        save    d10, d11, 112
        save    d12, d13, 128
        save    d14, d15, 144
        .endm

        .macro  restore_registers next
        restore x19, x20, 0
        restore x21, x22, 16
        restore x23, x24, 32
        restore x25, x26, 48
        restore x27, x28, 64
        ldp     x29, \next, [sp, #80]
        .cfi_restore x29
        .cfi_register x30, \next
        restore d8, d9, 96
        restore d10, d11, 112
        restore d12, d13, 128
        restore d14, d15, 144
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        .endm

        .text
        .globl  ed_switch
        .hidden ed_switch
        .type   ed_switch, %function
        .balign 64
ed_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        save_registers  x30
        .cfi_rel_offset x30, 88
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        restore_registers x17
        /* The caller finds its own x30 in its frame, but a leaf call may not
         * have saved it: give it back. x17 may be jumped through under BTI. */
        mov     x30, x17
        br      x17
        .cfi_endproc
        .size   ed_switch, .-ed_switch

        /* A switch to a stack that is new, or whose entry has returned, arrives
         * here; x19 is the entry and x20 its argument. The undefined x30 ends
         * every backtrace. */
        .globl  ed_switch_start
        .hidden ed_switch_start
        .type   ed_switch_start, %function
        .balign 16
ed_switch_start:
        .cfi_startproc
        .cfi_undefined x30
        hint    #36                     /* bti j */
        mov     x29, xzr
        mov     x0, x20
        blr     x19
        /* In x0 where to save this stack, to start over, in x1 the other. */
        adr     x9, ed_switch_start
        save_registers  x9
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        restore_registers x30
        ret
        .cfi_endproc
        .size   ed_switch_start, .-ed_switch_start

        /* To the unwinder this function's caller is the code that left the
         * stack in x0: its frame ends, and its registers lie, where ed_switch
         * put them. x19 holds that pointer meanwhile. */
        .globl  ed_switch_look
        .hidden ed_switch_look
        .type   ed_switch_look, %function
        .balign 16
ed_switch_look:
        .cfi_startproc
        hint    #34                     /* bti c */
        stp     x19, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x30, 8
        mov     x19, x0
        .cfi_def_cfa x19, 160
        .cfi_offset x19, -160
        .cfi_offset x20, -152
        .cfi_offset x21, -144
        .cfi_offset x22, -136
        .cfi_offset x23, -128
        .cfi_offset x24, -120
        .cfi_offset x25, -112
        .cfi_offset x26, -104
        .cfi_offset x27, -96
        .cfi_offset x28, -88
        .cfi_offset x29, -80
        .cfi_offset x30, -72
        .cfi_offset d8, -64
        .cfi_offset d9, -56
        .cfi_offset d10, -48
        .cfi_offset d11, -40
        .cfi_offset d12, -32
        .cfi_offset d13, -24
        .cfi_offset d14, -16
        .cfi_offset d15, -8
        mov     x9, x1
        mov     x0, x2
        blr     x9
        ldr     x0, [x19, #88]
        ldp     x19, x30, [sp], #16
        .cfi_def_cfa sp, 0
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        ret
        .cfi_endproc
        .size   ed_switch_look, .-ed_switch_look

#endif

        .section .note.GNU-stack, "", %progbits
