/*
 * switch_aarch64.S - ed_switch() and ed_switch_prepare()'s trampoline for the
 * AAPCS64 of aarch64.
 *
 * A stack that was left holds 20 words from its saved pointer up: x19 to x28,
 * x29 (frame), x30 (where to go on), d8 to d15.
 */
#if defined(__aarch64__)

        .macro  save_registers next
        sub     sp, sp, #160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, \next, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .endm

        .macro  restore_registers next
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, \next, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
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

#endif

        .section .note.GNU-stack, "", %progbits
