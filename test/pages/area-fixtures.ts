import type { AccountShell } from '../../src/pages/index.ts';
import type { MakeScene, Scene } from './fixtures.ts';

export const shell: AccountShell = {
  account: { name: 'Nguyễn Thị Minh Khuê', identifier: 'khue.nguyen@example.vn' },
  groups: [
    {
      labelId: null,
      rooms: [{ labelId: 'account.nav.overview', href: '/account', icon: 'home', isCurrent: true }],
    },
    {
      labelId: 'account.group.person',
      rooms: [
        { labelId: 'account.nav.profile', href: '/account/p', icon: 'profile', isCurrent: false },
      ],
    },
  ],
  notice: null,
  csrfToken: 'token',
  switchUrl: '/account/switch',
  signOutAction: '/account/sign-out',
};

export const longShell: AccountShell = {
  ...shell,
  account: {
    name: 'Wolfeschlegelsteinhausenbergerdorff Công Tằng Tôn Nữ Thị Minh Khuê',
    identifier: `${'very.long.mailbox.'.repeat(4)}@mail.example.org`,
  },
  notice: { id: 'account.notice.saved' },
};

/** Pages of the account page. */
export const areaScenes = (scene: MakeScene): Scene[] => [
  scene('account-overview', 'account-overview', { shell, organisation: 'Lotus Health' }),
  scene('account-overview-long', 'account-overview', {
    shell: longShell,
    organisation: 'Tổng công ty Cổ phần Hạ tầng Đường sắt và Liên vận Quốc tế Bắc Trung Nam',
  }),
];
